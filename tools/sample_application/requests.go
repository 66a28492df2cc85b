package main

import (
	"fmt"
	"maps"
	"math"
	"net/url"
	"slices"
	"strings"

	collectorlogs "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	collectormetrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	logs "go.opentelemetry.io/proto/otlp/logs/v1"
	metrics "go.opentelemetry.io/proto/otlp/metrics/v1"
	resource "go.opentelemetry.io/proto/otlp/resource/v1"
	"google.golang.org/protobuf/encoding/protowire"
)

// identity is who sends: the run and the OTLP resource attributes. A repeated request is the same to the last byte,
// so that a store can distinguish a repetition from a second event.
type identity struct {
	run        string
	attributes map[string]string
}

// newIdentity reads resource attributes in the form of OTEL_RESOURCE_ATTRIBUTES (key=value,key=value, percent-encoded) and completes
// them: service.name, service.namespace from the pod's namespace, and service.instance.id from the pod's uid, or else from run and host.
func newIdentity(run, host, serviceName, attributes string) (identity, error) {
	all := map[string]string{"service.name": "sample-application"}
	for pair := range strings.SplitSeq(attributes, ",") {
		if strings.TrimSpace(pair) == "" {
			continue
		}
		key, value, found := strings.Cut(pair, "=")
		decoded, err := url.PathUnescape(strings.TrimSpace(value))
		if !found || err != nil || strings.TrimSpace(key) == "" {
			return identity{}, fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES: %q is not key=value with a percent-encoded value", pair)
		}
		if decoded != "" { // $(POD_UID) may be empty
			all[strings.TrimSpace(key)] = decoded
		}
	}
	if serviceName != "" {
		all["service.name"] = serviceName
	}
	if namespace := all["k8s.namespace.name"]; namespace != "" && all["service.namespace"] == "" {
		all["service.namespace"] = namespace
	}
	if all["service.instance.id"] == "" {
		all["service.instance.id"] = run + "-" + host
		if uid := all["k8s.pod.uid"]; uid != "" {
			all["service.instance.id"] = uid
		}
	}
	return identity{run, all}, nil
}

func (i identity) resource() *resource.Resource {
	all := &resource.Resource{}
	for _, key := range slices.Sorted(maps.Keys(i.attributes)) {
		all.Attributes = append(all.Attributes, text(key, i.attributes[key]))
	}
	return all
}

// job is the job label that Prometheus makes of the resource: namespace/name, or the name alone.
func (i identity) job() string {
	if namespace := i.attributes["service.namespace"]; namespace != "" {
		return namespace + "/" + i.attributes["service.name"]
	}
	return i.attributes["service.name"]
}

// gauge returns a request with one data point: the event's number at the event's time.
func (i identity) gauge(name string) func(event) *collectormetrics.ExportMetricsServiceRequest {
	from, attributes := i.resource(), []*common.KeyValue{text("run", i.run)}
	return func(e event) *collectormetrics.ExportMetricsServiceRequest {
		point := &metrics.NumberDataPoint{
			TimeUnixNano: uint64(e.time.UnixNano()), Value: &metrics.NumberDataPoint_AsInt{AsInt: e.number}, Attributes: attributes,
		}
		metric := &metrics.Metric{
			Name: name, Description: "Number of the latest event of a run.",
			Data: &metrics.Metric_Gauge{Gauge: &metrics.Gauge{DataPoints: []*metrics.NumberDataPoint{point}}},
		}
		return &collectormetrics.ExportMetricsServiceRequest{ResourceMetrics: []*metrics.ResourceMetrics{{
			Resource: from, ScopeMetrics: []*metrics.ScopeMetrics{{Metrics: []*metrics.Metric{metric}}},
		}}}
	}
}

// record returns a request with one log record for the event.
func (i identity) record() func(event) *collectorlogs.ExportLogsServiceRequest {
	from := i.resource()
	return func(e event) *collectorlogs.ExportLogsServiceRequest {
		// Run ids need no escaping.
		body := fmt.Sprintf(`{"run":"%s","path":"%s","number":%d}`, i.run, pathOTLPLogs, e.number)
		number := &common.KeyValue{Key: "number", Value: &common.AnyValue{Value: &common.AnyValue_IntValue{IntValue: e.number}}}
		record := &logs.LogRecord{
			// Observed when it happened, or a repetition would differ.
			TimeUnixNano: uint64(e.time.UnixNano()), ObservedTimeUnixNano: uint64(e.time.UnixNano()),
			SeverityNumber: logs.SeverityNumber_SEVERITY_NUMBER_INFO, SeverityText: "INFO",
			Body:       &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: body}},
			Attributes: []*common.KeyValue{text("run", i.run), text("path", pathOTLPLogs), number},
		}
		return &collectorlogs.ExportLogsServiceRequest{ResourceLogs: []*logs.ResourceLogs{{
			Resource: from, ScopeLogs: []*logs.ScopeLogs{{LogRecords: []*logs.LogRecord{record}}},
		}}}
	}
}

func text(key, value string) *common.KeyValue {
	return &common.KeyValue{Key: key, Value: &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: value}}}
}

// sample returns a remote-write 1.0 request (prometheus.WriteRequest, not yet compressed) with one sample, labelled as a series that
// Alloy pushes. The message is small enough to write field by field; Prometheus' own package would bring in most of Prometheus.
func (i identity) sample(name string) func(event) []byte {
	labels := map[string]string{
		"__name__": name, "collector": "alloy", "instance": i.attributes["service.instance.id"], "job": i.job(), "run": i.run,
	}
	for attribute, label := range map[string]string{"k8s.namespace.name": "namespace", "k8s.pod.name": "pod"} {
		if value := i.attributes[attribute]; value != "" {
			labels[label] = value
		}
	}
	var series []byte // TimeSeries{labels = 1, samples = 2}
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		series = message(series, 1, message(message(nil, 1, []byte(key)), 2, []byte(labels[key]))) // Label{name = 1, value = 2}
	}
	return func(e event) []byte {
		var sample []byte // Sample{value = 1, timestamp = 2}
		sample = protowire.AppendTag(sample, 1, protowire.Fixed64Type)
		sample = protowire.AppendFixed64(sample, math.Float64bits(float64(e.number)))
		sample = protowire.AppendTag(sample, 2, protowire.VarintType)
		sample = protowire.AppendVarint(sample, uint64(e.time.UnixMilli()))
		return message(nil, 1, message(slices.Clone(series), 2, sample)) // WriteRequest{timeseries = 1}
	}
}

// message appends a length-delimited field.
func message(to []byte, field protowire.Number, content []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(to, field, protowire.BytesType), content)
}
