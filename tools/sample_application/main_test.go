package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang/snappy"
	collectorlogs "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	collectormetrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// Quick enough for a test, slow enough for a real server to answer in between.
const interval = 10 * time.Millisecond

// stored is one event as a store has it.
type stored struct{ number, milliseconds int64 }

// store is a receiver of all protocols, on one address for HTTP and one for gRPC, that can stop and come back there.
type store struct {
	collectormetrics.UnimplementedMetricsServiceServer
	t                         *testing.T
	httpAddress, grpcAddress  string
	http                      *http.Server
	grpc                      *grpc.Server
	mutex                     sync.Mutex
	events                    map[string][]stored // by path
	labels                    map[string]string   // of the latest remote-write series
	reject, lose, half, later int                 // how many of the next requests get 400, lose the acknowledgement, are a partial success, get 503
}

func newStore(t *testing.T) *store {
	s := &store{t: t, httpAddress: "127.0.0.1:0", grpcAddress: "127.0.0.1:0", events: map[string][]stored{}}
	s.up()
	t.Cleanup(s.down)
	return s
}

func (s *store) up() {
	s.t.Helper()
	listen := func(address *string) net.Listener {
		listener, err := net.Listen("tcp", *address)
		if err != nil {
			s.t.Fatal(err)
		}
		*address = listener.Addr().String()
		return listener
	}
	s.http, s.grpc = &http.Server{Handler: http.HandlerFunc(s.serve)}, grpc.NewServer()
	collectormetrics.RegisterMetricsServiceServer(s.grpc, s)
	web, rpc := listen(&s.httpAddress), listen(&s.grpcAddress)
	go func() { _ = s.http.Serve(web) }()
	go func() { _ = s.grpc.Serve(rpc) }()
}

// down cuts all connections.
func (s *store) down() {
	s.grpc.Stop()
	_ = s.http.Close()
}

// next takes one from a counter of misbehaviour.
func (s *store) next(counter *int) bool {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if *counter > 0 {
		*counter--
		return true
	}
	return false
}

func (s *store) misbehave(counter *int, requests int) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	*counter = requests
}

func (s *store) add(path string, e stored) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.events[path] = append(s.events[path], e)
}

func (s *store) numbers(path string) []int64 {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	var all []int64
	for _, e := range s.events[path] {
		all = append(all, e.number)
	}
	return all
}

// Export implements OTLP/gRPC.
func (s *store) Export(_ context.Context, request *collectormetrics.ExportMetricsServiceRequest) (*collectormetrics.ExportMetricsServiceResponse, error) {
	if s.next(&s.later) {
		return nil, status.Error(codes.ResourceExhausted, "later")
	}
	if s.next(&s.half) {
		return &collectormetrics.ExportMetricsServiceResponse{
			PartialSuccess: &collectormetrics.ExportMetricsPartialSuccess{RejectedDataPoints: 1, ErrorMessage: "too old"},
		}, nil
	}
	s.add(pathOTLPMetricsGRPC, point(request, "sample_otlp_grpc_number"))
	if s.next(&s.lose) {
		return nil, status.Error(codes.Unavailable, "the answer was lost")
	}
	return &collectormetrics.ExportMetricsServiceResponse{}, nil
}

func point(request *collectormetrics.ExportMetricsServiceRequest, name string) stored {
	metric := request.GetResourceMetrics()[0].GetScopeMetrics()[0].GetMetrics()[0]
	if metric.GetName() != name {
		panic("the metric is called " + metric.GetName())
	}
	data := metric.GetGauge().GetDataPoints()[0]
	return stored{data.GetAsInt(), int64(data.GetTimeUnixNano()) / 1e6}
}

// serve implements OTLP/HTTP and remote write.
func (s *store) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	if s.next(&s.later) {
		http.Error(w, "later", []int{http.StatusServiceUnavailable, http.StatusTooManyRequests}[s.later%2])
		return
	}
	if s.next(&s.reject) {
		http.Error(w, "out of order", http.StatusBadRequest)
		return
	}
	var answer proto.Message
	switch r.URL.Path {
	case "/v1/metrics":
		response, request := &collectormetrics.ExportMetricsServiceResponse{}, &collectormetrics.ExportMetricsServiceRequest{}
		if err := proto.Unmarshal(body, request); err != nil {
			panic(err)
		}
		if s.next(&s.half) {
			response.PartialSuccess = &collectormetrics.ExportMetricsPartialSuccess{RejectedDataPoints: 1, ErrorMessage: "too old"}
		} else {
			s.add(pathOTLPMetricsHTTP, point(request, "sample_otlp_http_number"))
		}
		answer = response
	case "/v1/logs":
		response, request := &collectorlogs.ExportLogsServiceResponse{}, &collectorlogs.ExportLogsServiceRequest{}
		if err := proto.Unmarshal(body, request); err != nil {
			panic(err)
		}
		if s.next(&s.half) {
			response.PartialSuccess = &collectorlogs.ExportLogsPartialSuccess{RejectedLogRecords: 1, ErrorMessage: "too old"}
		} else {
			record := request.GetResourceLogs()[0].GetScopeLogs()[0].GetLogRecords()[0]
			var content struct{ Number int64 }
			if err := json.Unmarshal([]byte(record.GetBody().GetStringValue()), &content); err != nil {
				panic(err)
			}
			s.add(pathOTLPLogs, stored{content.Number, int64(record.GetTimeUnixNano()) / 1e6})
		}
		answer = response
	case "/api/v1/write":
		labels, e := sample(body)
		s.add(pathRemoteWrite, e)
		s.mutex.Lock()
		s.labels = labels
		s.mutex.Unlock()
	default:
		http.NotFound(w, r)
		return
	}
	if s.next(&s.lose) {
		panic(http.ErrAbortHandler) // the connection is cut before the answer
	}
	if answer == nil {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	content, err := proto.Marshal(answer)
	if err != nil {
		panic(err)
	}
	_, _ = w.Write(content)
}

// sample decodes a remote-write request of one series with one sample.
func sample(compressed []byte) (map[string]string, stored) {
	body, err := snappy.Decode(nil, compressed)
	if err != nil {
		panic(err)
	}
	labels, e := map[string]string{}, stored{}
	series := fields(body)[0]
	for _, f := range fields(series.content) {
		parts := fields(f.content)
		if f.number == 1 {
			labels[string(parts[0].content)] = string(parts[1].content)
		} else {
			e = stored{int64(math.Float64frombits(parts[0].scalar)), int64(parts[1].scalar)}
		}
	}
	return labels, e
}

type field struct {
	number  protowire.Number
	content []byte
	scalar  uint64
}

func fields(message []byte) []field {
	var all []field
	for len(message) > 0 {
		number, kind, size := protowire.ConsumeTag(message)
		message = message[size:]
		f := field{number: number}
		switch kind {
		case protowire.BytesType:
			f.content, size = protowire.ConsumeBytes(message)
		case protowire.Fixed64Type:
			f.scalar, size = protowire.ConsumeFixed64(message)
		default:
			f.scalar, size = protowire.ConsumeVarint(message)
		}
		message = message[size:]
		all = append(all, f)
	}
	return all
}

// testRun is an application that runs in a test.
type testRun struct {
	*application
	t       *testing.T
	address string
	stdout  strings.Builder // to be read after end
	end     func() error    // as SIGTERM does, returns when the application has ended
}

func begin(t *testing.T, drainTimeout time.Duration, arguments ...string) *testRun {
	t.Helper()
	o, err := parse(append([]string{"--interval", interval.String(), "--run-id", "test"}, arguments...), func(string) (string, bool) { return "", false }, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	who, err := newIdentity(o.run, "host", "", "k8s.namespace.name=shop,k8s.pod.uid=1234,k8s.pod.name=pod%2D0")
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &testRun{t: t, address: "http://" + listener.Addr().String()}
	r.application = newApplication(o, who, &r.stdout)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.run(ctx, listener, drainTimeout) }()
	r.end = sync.OnceValue(func() error {
		stop()
		return <-ended
	})
	t.Cleanup(func() { _ = r.end() })
	return r
}

func (s *store) everyPath() []string {
	return []string{"--otlp-grpc-endpoint", s.grpcAddress, "--otlp-http-endpoint", "http://" + s.httpAddress, "--remote-write-url", "http://" + s.httpAddress + "/api/v1/write"}
}

var pushed = []string{pathOTLPMetricsGRPC, pathOTLPMetricsHTTP, pathOTLPLogs, pathRemoteWrite}

// path returns the account of a path.
func (r *testRun) path(name string) pathStatus {
	r.t.Helper()
	for _, account := range r.status().Paths {
		if account.Path == name {
			return account
		}
	}
	r.t.Fatalf("no path %s", name)
	return pathStatus{}
}

// reaches waits until every path has had so many events acknowledged.
func (r *testRun) reaches(number int64, paths ...string) {
	r.t.Helper()
	r.eventually(func() bool {
		return !slices.ContainsFunc(paths, func(path string) bool { return r.path(path).Acknowledged < number })
	})
}

func (r *testRun) eventually(holds func() bool) {
	r.t.Helper()
	for deadline := time.Now().Add(15 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if holds() {
			return
		}
	}
	r.t.Fatalf("not within 15 seconds; status: %+v", r.status())
}

func (r *testRun) get(method, path string) string {
	r.t.Helper()
	request, err := http.NewRequest(method, r.address+path, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		r.t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode/100 != 2 {
		r.t.Fatalf("%s %s: %s %v", method, path, response.Status, err)
	}
	return string(body)
}

// complete fails unless the numbers are 1 to last, in order, without a repetition.
func complete(t *testing.T, what string, numbers []int64, last int64) {
	t.Helper()
	for position, number := range numbers {
		if number != int64(position)+1 {
			t.Errorf("%s: %d is at the place of %d", what, number, position+1)
			return
		}
	}
	if int64(len(numbers)) != last {
		t.Errorf("%s: %d events, not %d", what, len(numbers), last)
	}
}

func TestAnOutageLosesNothingAndKeepsTheOrder(t *testing.T) {
	s := newStore(t)
	r := begin(t, 10*time.Second, s.everyPath()...)
	r.reaches(10, pushed...)
	s.down()
	during := r.clock.generated()
	time.Sleep(500 * time.Millisecond)
	for _, path := range pushed {
		if account := r.path(path); account.Pending < 30 || account.Errors == 0 || account.LastError == "" {
			t.Errorf("during the outage: %+v", account)
		}
	}
	s.up()
	r.reaches(during+50, pushed...)
	if err := r.end(); err != nil {
		t.Fatal(err)
	}
	last := r.clock.generated()
	for _, path := range pushed {
		// What was under way when the connections were cut may have been stored unacknowledged, and then comes twice.
		numbers := s.numbers(path)
		distinct := slices.Compact(slices.Clone(numbers))
		complete(t, path, distinct, last)
		if duplicated := len(numbers) - len(distinct); duplicated > 1 {
			t.Errorf("%s: %d duplicated", path, duplicated)
		}
		if account := r.path(path); account.Acknowledged != last || account.Pending != 0 || account.Rejected != 0 || account.Last.Number != last {
			t.Errorf("at the end: %+v", account)
		}
	}
}

func TestAReceiverThatAsksToComeLaterGetsEverythingOnce(t *testing.T) {
	for _, path := range pushed {
		t.Run(path, func(t *testing.T) {
			s := newStore(t)
			s.misbehave(&s.later, 3)
			r := begin(t, 10*time.Second, append(s.everyPath(), "--paths", path)...)
			r.reaches(5, path)
			if err := r.end(); err != nil {
				t.Fatal(err)
			}
			complete(t, path, s.numbers(path), r.clock.generated())
			if account := r.path(path); account.Errors != 3 {
				t.Errorf("%+v", account)
			}
		})
	}
}

func TestOnlyALostAcknowledgementDoublesAnEvent(t *testing.T) {
	for _, path := range pushed {
		t.Run(path, func(t *testing.T) {
			s := newStore(t)
			s.misbehave(&s.lose, 1)
			r := begin(t, 10*time.Second, append(s.everyPath(), "--paths", path)...)
			r.reaches(5, path)
			if err := r.end(); err != nil {
				t.Fatal(err)
			}
			numbers := s.numbers(path)
			complete(t, path, slices.Compact(slices.Clone(numbers)), r.clock.generated())
			if numbers[0] != 1 || numbers[1] != 1 || int64(len(numbers)) != r.clock.generated()+1 {
				t.Errorf("not exactly the first is duplicated: %v", numbers)
			}
			if s.events[path][0] != s.events[path][1] {
				t.Errorf("the repetition differs: %v", s.events[path][:2])
			}
		})
	}
}

func TestAPermanentRejectionIsCountedAndSkipped(t *testing.T) {
	for _, path := range pushed {
		t.Run(path, func(t *testing.T) {
			s := newStore(t)
			if path == pathRemoteWrite {
				s.misbehave(&s.reject, 2)
			} else {
				s.misbehave(&s.half, 2)
			}
			r := begin(t, 10*time.Second, append(s.everyPath(), "--paths", path)...)
			r.reaches(5, path)
			if err := r.end(); err != nil {
				t.Fatal(err)
			}
			account := r.path(path)
			if account.Rejected != 2 || account.Errors != 2 || account.Generated != account.Acknowledged+2 || account.Pending != 0 {
				t.Errorf("%+v", account)
			}
			if numbers := s.numbers(path); numbers[0] != 3 || int64(len(numbers)) != account.Acknowledged {
				t.Errorf("stored: %v", numbers)
			}
		})
	}
}

func TestOTLPIsRepeatedEvenAfterAnAnswerThatLooksFinal(t *testing.T) {
	s := newStore(t)
	s.misbehave(&s.reject, 2)
	r := begin(t, 10*time.Second, append(s.everyPath(), "--paths", pathOTLPLogs)...)
	r.reaches(5, pathOTLPLogs)
	if err := r.end(); err != nil {
		t.Fatal(err)
	}
	complete(t, pathOTLPLogs, s.numbers(pathOTLPLogs), r.clock.generated())
}

func TestARemoteWriteTargetThatIsDownDoesNotHoldUpTheOther(t *testing.T) {
	alive, dead := newStore(t), newStore(t)
	dead.down()
	r := begin(t, 0, "--paths", pathRemoteWrite, "--remote-write-url", "http://"+dead.httpAddress+"/api/v1/write,http://"+alive.httpAddress+"/api/v1/write")
	r.eventually(func() bool { return len(alive.numbers(pathRemoteWrite)) >= 20 })
	accounts := r.status().Paths
	if len(accounts) != 2 || accounts[0].Acknowledged != 0 || accounts[0].Pending < 20 || accounts[1].Acknowledged < 20 {
		t.Errorf("%+v", accounts)
	}
	if err := r.end(); !errors.Is(err, errPending) {
		t.Errorf("ended with events that one target has not: %v", err)
	}
}

func TestEventsHaveTheirOwnTimesAndLabels(t *testing.T) {
	s := newStore(t)
	r := begin(t, 10*time.Second, s.everyPath()...)
	r.reaches(5, pushed...)
	if err := r.end(); err != nil {
		t.Fatal(err)
	}
	for _, path := range pushed {
		for position, e := range s.events[path] {
			if wanted := r.clock.start.UnixMilli() + int64(position)*interval.Milliseconds(); e.milliseconds != wanted {
				t.Fatalf("%s: event %d has time %d, not %d", path, e.number, e.milliseconds, wanted)
			}
		}
	}
	wanted := map[string]string{
		"__name__": "sample_remote_write_number", "collector": "alloy", "run": "test",
		"job": "shop/sample-application", "instance": "1234", "namespace": "shop", "pod": "pod-0",
	}
	for key, value := range wanted {
		if s.labels[key] != value {
			t.Errorf("label %s is %q, not %q", key, s.labels[key], value)
		}
	}
	if len(s.labels) != len(wanted) {
		t.Errorf("labels: %v", s.labels)
	}
}

func TestStdoutHasEveryEventAndNothingElse(t *testing.T) {
	r := begin(t, 10*time.Second)
	r.reaches(5, pathStdoutLogs)
	if err := r.end(); err != nil {
		t.Fatal(err)
	}
	var numbers []int64
	for line := range strings.Lines(r.stdout.String()) {
		var e struct {
			Run, Path, Time string
			Number          int64
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil || e.Run != "test" || e.Path != pathStdoutLogs {
			t.Fatalf("%q: %v", line, err)
		}
		if wanted := timestamp(r.clock.event(e.Number).time); e.Time != wanted {
			t.Errorf("event %d has time %s, not %s", e.Number, e.Time, wanted)
		}
		numbers = append(numbers, e.Number)
	}
	complete(t, pathStdoutLogs, numbers, r.clock.generated())
}

func TestStopEndsTheEventsAndServesTheAccount(t *testing.T) {
	s := newStore(t)
	r := begin(t, 10*time.Second, s.everyPath()...)
	r.reaches(5, pushed...)
	r.get("POST", "/stop")
	var account struct {
		Stopped, Drained bool
		Paths            []pathStatus
	}
	r.eventually(func() bool {
		if err := json.Unmarshal([]byte(r.get("GET", "/status")), &account); err != nil {
			t.Fatal(err)
		}
		return account.Drained
	})
	last := account.Paths[0].Generated
	time.Sleep(5 * interval)
	r.get("POST", "/stop")
	if !account.Stopped || r.clock.generated() != last || len(account.Paths) != len(allPaths) {
		t.Errorf("%d, then %d: %+v", last, r.clock.generated(), account)
	}
	for _, path := range account.Paths {
		if path.Generated != last || path.Acknowledged != last || path.First.Number != 1 || path.Last.Number != last {
			t.Errorf("%+v", path)
		}
	}
	r.get("GET", "/healthz")
}

func TestMetricsShowTheCounterAndTheAccounts(t *testing.T) {
	s := newStore(t)
	r := begin(t, 10*time.Second, append(s.everyPath(), "--name-prefix", "shop_", "--paths", "scrape,otlp-logs")...)
	r.reaches(5, pathOTLPLogs)
	r.get("POST", "/stop")
	r.eventually(func() bool { return r.status().Drained })
	exposition := r.get("GET", "/metrics")
	account, err := json.Marshal(r.clock.generated())
	if err != nil {
		t.Fatal(err)
	}
	for _, wanted := range []string{
		"# TYPE shop_scrape_events_total counter\nshop_scrape_events_total{run=\"test\"} " + string(account) + "\n",
		"shop_acknowledged_total{path=\"otlp-logs\",run=\"test\",target=\"http://" + s.httpAddress + "\"} " + string(account) + "\n",
		"shop_send_errors_total{path=\"otlp-logs\",run=\"test\",target=\"http://" + s.httpAddress + "\"} 0\n",
	} {
		if !strings.Contains(exposition, wanted) {
			t.Errorf("%q is not in\n%s", wanted, exposition)
		}
	}
}

func TestMistakesAreNamedAllAtOnce(t *testing.T) {
	_, err := parse([]string{"--interval", "1us", "--run-id", "a b", "--otlp-grpc-endpoint", "collector", "--otlp-http-endpoint", "collector:4318", "--paths", "scrap,remote-write"},
		func(string) (string, bool) { return "", false }, io.Discard)
	for _, wanted := range []string{"--interval 1µs", `--run-id "a b"`, `--otlp-grpc-endpoint "collector"`, `--otlp-http-endpoint "collector:4318"`, `--paths "scrap"`, "--remote-write-url"} {
		if err == nil || !strings.Contains(err.Error(), wanted) {
			t.Errorf("%q is not in: %v", wanted, err)
		}
	}
	if _, err := parse([]string{"--help"}, os.LookupEnv, io.Discard); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("--help: %v", err)
	}
}

func TestFlagsComeFromTheEnvironmentUnlessTheyAreGiven(t *testing.T) {
	environment := map[string]string{"SAMPLE_INTERVAL": "2s", "SAMPLE_RUN_ID": "other", "SAMPLE_REMOTE_WRITE_URL": "http://a/w, http://b/w"}
	o, err := parse([]string{"--run-id", "mine"}, func(name string) (string, bool) { value, found := environment[name]; return value, found }, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if o.interval != 2*time.Second || o.run != "mine" || !slices.Equal(o.remoteWrite, []string{"http://a/w", "http://b/w"}) {
		t.Errorf("%+v", o)
	}
	if !slices.Equal(o.paths, []string{pathScrape, pathStdoutLogs, pathRemoteWrite}) {
		t.Errorf("paths: %v", o.paths)
	}
	environment["SAMPLE_INTERVAL"] = "soon"
	if _, err := parse(nil, func(name string) (string, bool) { value, found := environment[name]; return value, found }, io.Discard); err == nil || !strings.Contains(err.Error(), "SAMPLE_INTERVAL") {
		t.Errorf("error: %v", err)
	}
}

func TestTheInstanceIsUniqueAlsoOutsideKubernetes(t *testing.T) {
	who, err := newIdentity("run", "host", "shop", "k8s.pod.uid=,a=b%2Cc")
	if err != nil {
		t.Fatal(err)
	}
	if who.attributes["service.instance.id"] != "run-host" || who.attributes["a"] != "b,c" || who.job() != "shop" {
		t.Errorf("%v", who.attributes)
	}
	if _, err := newIdentity("run", "host", "", "nonsense"); err == nil || !strings.Contains(err.Error(), "nonsense") {
		t.Errorf("error: %v", err)
	}
}
