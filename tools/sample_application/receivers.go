package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/golang/snappy"
	collectorlogs "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	collectormetrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"
)

// How long a receiver may take to acknowledge one event.
const attemptTimeout = 10 * time.Second

// Every resolved address in turn: of a headless Service each pod, of an ordinary one the one address that it has.
const roundRobin = `{"loadBalancingConfig": [{"round_robin": {}}]}`

// otlpGRPC sends metrics to an OTLP/gRPC receiver.
type otlpGRPC struct {
	endpoint   string // host:port
	request    func(event) *collectormetrics.ExportMetricsServiceRequest
	connection *grpc.ClientConn // nil before the first event and after an error
}

func (r *otlpGRPC) deliver(ctx context.Context, e event) error {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	if r.connection == nil {
		connection, err := grpc.NewClient(r.endpoint, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultServiceConfig(roundRobin))
		if err != nil {
			return err
		}
		r.connection = connection
	}
	response, err := collectormetrics.NewMetricsServiceClient(r.connection).Export(ctx, r.request(e))
	if err != nil {
		// A new connection resolves the name again and may reach another collector; the old one may hang on a lost node.
		_ = r.connection.Close()
		r.connection = nil
		return err
	}
	return partial(response.GetPartialSuccess().GetRejectedDataPoints(), response.GetPartialSuccess().GetErrorMessage())
}

// partial turns the partial success of an OTLP answer into an error; a message without a rejection is only a warning.
func partial(rejected int64, message string) error {
	if rejected > 0 {
		return fmt.Errorf("%w: partial success: %s", errRejected, message)
	}
	if message != "" {
		slog.Warn("accepted with a warning", "message", message)
	}
	return nil
}

// otlpHTTP sends metrics or logs to an OTLP/HTTP receiver, as protobuf.
type otlpHTTP struct {
	url     string
	client  *http.Client
	request func(event) proto.Message
	answer  func([]byte) error // checks the body of an answer with status 200
}

func (r *otlpHTTP) deliver(ctx context.Context, e event) error {
	body, err := proto.Marshal(r.request(e))
	if err != nil {
		return fmt.Errorf("%w: %w", errRejected, err)
	}
	status, answer, err := post(ctx, r.client, r.url, body, http.Header{"Content-Type": {"application/x-protobuf"}})
	if err != nil {
		return err
	}
	// Anything but a success is tried again: what looks final may be a proxy that is being reconfigured.
	if status != http.StatusOK {
		return rejection(status, answer)
	}
	return r.answer(answer)
}

func metricsAnswer(body []byte) error {
	var response collectormetrics.ExportMetricsServiceResponse
	if err := proto.Unmarshal(body, &response); err != nil {
		return fmt.Errorf("not an OTLP answer: %w", err)
	}
	return partial(response.GetPartialSuccess().GetRejectedDataPoints(), response.GetPartialSuccess().GetErrorMessage())
}

func logsAnswer(body []byte) error {
	var response collectorlogs.ExportLogsServiceResponse
	if err := proto.Unmarshal(body, &response); err != nil {
		return fmt.Errorf("not an OTLP answer: %w", err)
	}
	return partial(response.GetPartialSuccess().GetRejectedLogRecords(), response.GetPartialSuccess().GetErrorMessage())
}

// remoteWrite sends samples by Prometheus remote write 1.0, as Alloy's prometheus.remote_write does:
// 429, 5xx and network errors are tried again for ever, any other 4xx drops the sample.
type remoteWrite struct {
	url     string
	client  *http.Client
	request func(event) []byte
}

func (r *remoteWrite) deliver(ctx context.Context, e event) error {
	status, answer, err := post(ctx, r.client, r.url, snappy.Encode(nil, r.request(e)), http.Header{
		"Content-Type":                      {"application/x-protobuf"},
		"Content-Encoding":                  {"snappy"},
		"X-Prometheus-Remote-Write-Version": {"0.1.0"},
	})
	switch {
	case err != nil:
		return err
	case status/100 == 2:
		return nil
	case status/100 == 4 && status != http.StatusTooManyRequests:
		return fmt.Errorf("%w: %w", errRejected, rejection(status, answer))
	}
	return rejection(status, answer)
}

// post sends one request and returns the status and the start of the answer's body.
//
// After a network error or a rejection no connection is kept, so that the next attempt may reach another pod of a Service.
func post(ctx context.Context, client *http.Client, url string, body []byte, header http.Header) (int, []byte, error) {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	request.Header = header
	request.Header.Set("User-Agent", "observability-stack-sample-application")
	response, err := client.Do(request)
	if err != nil {
		client.CloseIdleConnections()
		return 0, nil, err
	}
	answer, err := io.ReadAll(io.LimitReader(response.Body, 64<<10))
	_ = response.Body.Close()
	if err != nil || response.StatusCode/100 != 2 {
		client.CloseIdleConnections()
	}
	return response.StatusCode, answer, err
}

func rejection(status int, answer []byte) error {
	return fmt.Errorf("status %d: %.200q", status, bytes.TrimSpace(answer))
}

// newClient returns a client with connections of its own, so that closing them disturbs no other path.
func newClient() *http.Client {
	return &http.Client{Transport: http.DefaultTransport.(*http.Transport).Clone()}
}

// lines writes events to a stream, one JSON object per line.
type lines struct {
	stream io.Writer
	run    string
}

func (r *lines) deliver(_ context.Context, e event) error {
	line, err := json.Marshal(struct {
		Run    string `json:"run"`
		Path   string `json:"path"`
		Number int64  `json:"number"`
		Time   string `json:"time"`
	}{r.run, pathStdoutLogs, e.number, timestamp(e.time)})
	if err != nil {
		return err
	}
	_, err = r.stream.Write(append(line, '\n'))
	return err
}

// timestamp formats a time as RFC 3339 in UTC with milliseconds.
func timestamp(t time.Time) string {
	return t.UTC().Format("2006-01-02T15:04:05.000Z")
}
