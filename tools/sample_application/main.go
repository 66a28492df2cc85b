// Command sample-application makes numbered events, one per interval, and sends each over every path into the
// observability stack, so that what is lost or duplicated on the way can be counted.
//
// An event that is pushed is repeated, in order, until its receiver has acknowledged it. /status shows at any time how many
// events each path has had. Events go to stdout, everything else that the program has to say goes to stderr.
package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"google.golang.org/protobuf/proto"
)

// The paths, as reports name them.
const (
	pathScrape          = "scrape"
	pathOTLPMetricsGRPC = "otlp-metrics-grpc"
	pathOTLPMetricsHTTP = "otlp-metrics-http"
	pathOTLPLogs        = "otlp-logs"
	pathStdoutLogs      = "stdout-logs"
	pathRemoteWrite     = "remote-write"
)

var allPaths = []string{pathScrape, pathOTLPMetricsGRPC, pathOTLPMetricsHTTP, pathOTLPLogs, pathStdoutLogs, pathRemoteWrite}

// options are what the command line and the environment say.
type options struct {
	interval     time.Duration
	drainTimeout time.Duration
	address      string
	run          string
	prefix       string
	grpcEndpoint string
	httpEndpoint string
	remoteWrite  list
	paths        list
	queries      list
	tenant       string
	flood        flood
	connect      connect
}

// list is a flag that may be repeated, or hold several values with commas between them.
type list []string

func (l *list) String() string { return strings.Join(*l, ",") }

// Set appends the values of one use of the flag.
func (l *list) Set(values string) error {
	for value := range strings.SplitSeq(values, ",") {
		if value = strings.TrimSpace(value); value != "" {
			*l = append(*l, value)
		}
	}
	return nil
}

// parse reads the command line and, for a flag that is not on it, the environment: --run-id is SAMPLE_RUN_ID there.
// It returns flag.ErrHelp after printing help, and otherwise an error for people.
func parse(arguments []string, environment func(string) (string, bool), stderr io.Writer) (options, error) {
	o := options{run: strings.ToLower(rand.Text()[:10])}
	flags := flag.NewFlagSet("sample-application", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.DurationVar(&o.interval, "interval", time.Second, "time between two events, in whole milliseconds")
	flags.DurationVar(&o.drainTimeout, "drain-timeout", 20*time.Second, "how long after SIGTERM to go on delivering what is pending")
	flags.StringVar(&o.address, "metrics-address", ":8080", "address to serve /metrics, /status, /stop and /healthz on")
	flags.StringVar(&o.run, "run-id", o.run, "name of this run, on every event (default: a random one)")
	flags.StringVar(&o.prefix, "name-prefix", "sample_", "prefix of all metric names")
	flags.StringVar(&o.grpcEndpoint, "otlp-grpc-endpoint", "", "`host:port` of an OTLP/gRPC receiver; turns on "+pathOTLPMetricsGRPC)
	flags.StringVar(&o.httpEndpoint, "otlp-http-endpoint", "", "`url` of an OTLP/HTTP receiver; turns on "+pathOTLPMetricsHTTP+" and "+pathOTLPLogs)
	flags.Var(&o.remoteWrite, "remote-write-url", "`url` to push to by remote write, e.g. http://prometheus-0:9090/api/v1/write; may be repeated; turns on "+pathRemoteWrite)
	flags.Var(&o.queries, "query", "`name=url` of a query to a store, to be asked once per interval and accounted for in /status; may be repeated")
	flags.StringVar(&o.tenant, "query-tenant", "", "tenant of Mimir and Loki, for --query")
	flags.Int64Var(&o.flood.lines, "lines", 0, "do nothing but write so many numbered lines to stdout, and end")
	flags.IntVar(&o.flood.length, "line-bytes", 200, "length of each of the --lines")
	flags.Int64Var(&o.flood.rate, "bytes-per-second", 0, "how fast to write the --lines (default: as fast as they are taken)")
	flags.Var(&o.connect.addresses, "connect", "do nothing but try TCP connections to these `host:port`s, write to stdout which were established, and end")
	flags.DurationVar(&o.connect.timeout, "connect-timeout", 5*time.Second, "how long each of the --connect may take")
	flags.DurationVar(&o.connect.delay, "connect-delay", 0, "how long to wait before the first of the --connect")
	flags.Var(&o.paths, "paths", "only these paths, of "+strings.Join(allPaths, ", ")+" (default: each that has what it needs)")
	if err := flags.Parse(arguments); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("unknown argument %q", flags.Arg(0))
	}
	given := map[string]bool{}
	flags.Visit(func(f *flag.Flag) { given[f.Name] = true })
	var failed error
	flags.VisitAll(func(f *flag.Flag) {
		name := "SAMPLE_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		if value, found := environment(name); found && value != "" && !given[f.Name] {
			if err := flags.Set(f.Name, value); err != nil {
				failed = errors.Join(failed, fmt.Errorf("%s=%q: %w", name, value, err))
			}
		}
	})
	return o, errors.Join(failed, o.check())
}

var (
	runID      = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)
	namePrefix = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
)

// check completes the list of paths and returns all mistakes at once.
func (o *options) check() error {
	var mistakes []error
	wrong := func(format string, values ...any) { mistakes = append(mistakes, fmt.Errorf(format, values...)) }
	if o.flood.lines < 0 || o.flood.length < 1 || o.flood.rate < 0 {
		wrong("--lines %d --line-bytes %d --bytes-per-second %d: must not be negative, nor a line empty", o.flood.lines, o.flood.length, o.flood.rate)
	}
	o.flood.run = o.run
	for _, address := range o.connect.addresses {
		if _, _, err := net.SplitHostPort(address); err != nil {
			wrong("--connect %q: must be host:port", address)
		}
	}
	if o.connect.timeout <= 0 || o.connect.delay < 0 {
		wrong("--connect-timeout %s --connect-delay %s: must not be negative, nor the first zero", o.connect.timeout, o.connect.delay)
	}
	if o.interval < time.Millisecond || o.interval%time.Millisecond != 0 {
		wrong("--interval %s: must be a whole number of milliseconds, at least one", o.interval)
	}
	if !runID.MatchString(o.run) {
		wrong("--run-id %q: must be letters, digits, '.', '_' and '-', 63 at most, and start with a letter or digit", o.run)
	}
	if !namePrefix.MatchString(o.prefix) {
		wrong("--name-prefix %q: must be the start of a metric name", o.prefix)
	}
	if o.grpcEndpoint != "" {
		if _, _, err := net.SplitHostPort(strings.TrimPrefix(o.grpcEndpoint, "dns:///")); err != nil {
			wrong("--otlp-grpc-endpoint %q: must be host:port", o.grpcEndpoint)
		}
	}
	web := func(name, value string) {
		if parsed, err := url.Parse(value); err != nil || (parsed.Scheme != "http" && parsed.Scheme != "https") || parsed.Host == "" {
			wrong("--%s %q: must be an http:// or https:// address", name, value)
		}
	}
	if o.httpEndpoint != "" {
		web("otlp-http-endpoint", o.httpEndpoint)
	}
	for _, target := range o.remoteWrite {
		web("remote-write-url", target)
	}
	for _, query := range o.queries {
		name, target, _ := strings.Cut(query, "=")
		if name == "" {
			wrong("--query %q: must be name=url", query)
		}
		web("query", target)
	}

	needs := map[string]struct {
		flag  string
		given bool
	}{
		pathOTLPMetricsGRPC: {"--otlp-grpc-endpoint", o.grpcEndpoint != ""},
		pathOTLPMetricsHTTP: {"--otlp-http-endpoint", o.httpEndpoint != ""},
		pathOTLPLogs:        {"--otlp-http-endpoint", o.httpEndpoint != ""},
		pathRemoteWrite:     {"--remote-write-url", len(o.remoteWrite) > 0},
	}
	for _, path := range o.paths {
		if !slices.Contains(allPaths, path) {
			wrong("--paths %q: unknown; the paths are %s", path, strings.Join(allPaths, ", "))
		} else if need, conditional := needs[path]; conditional && !need.given {
			wrong("--paths %s: needs %s", path, need.flag)
		}
	}
	if len(o.paths) == 0 {
		for _, path := range allPaths {
			if need, conditional := needs[path]; !conditional || need.given {
				o.paths = append(o.paths, path)
			}
		}
	}
	return errors.Join(mistakes...)
}

// application is one run: a clock, a queue for each path and target, and queries.
type application struct {
	identity   identity
	prefix     string
	clock      *clock
	scrape     bool
	queues     []*queue
	queries    []*query
	deliveries deliveries
}

func newApplication(o options, who identity, stdout io.Writer) *application {
	a := &application{identity: who, prefix: o.prefix, clock: newClock(o.interval), scrape: slices.Contains(o.paths, pathScrape)}
	add := func(path, target string, receiver deliverer) {
		if slices.Contains(o.paths, path) {
			made := &queue{path: path, target: target, clock: a.clock, receiver: receiver}
			if path != pathStdoutLogs {
				made.deliveries = &a.deliveries
			}
			a.queues = append(a.queues, made)
		}
	}
	base := strings.TrimRight(o.httpEndpoint, "/")
	gauge := who.gauge(o.prefix + "otlp_http_number")
	record := who.record()
	add(pathOTLPMetricsGRPC, o.grpcEndpoint, &otlpGRPC{endpoint: o.grpcEndpoint, request: who.gauge(o.prefix + "otlp_grpc_number")})
	add(pathOTLPMetricsHTTP, o.httpEndpoint, &otlpHTTP{
		url: base + "/v1/metrics", client: newClient(), answer: metricsAnswer, request: func(e event) proto.Message { return gauge(e) },
	})
	add(pathOTLPLogs, o.httpEndpoint, &otlpHTTP{
		url: base + "/v1/logs", client: newClient(), answer: logsAnswer, request: func(e event) proto.Message { return record(e) },
	})
	add(pathStdoutLogs, "stdout", &lines{stream: stdout, run: who.run})
	for _, target := range o.remoteWrite {
		add(pathRemoteWrite, target, &remoteWrite{url: target, client: newClient(), request: who.sample(o.prefix + "remote_write_number")})
	}
	for _, text := range o.queries {
		name, target, _ := strings.Cut(text, "=")
		a.queries = append(a.queries, newQueries(name, target, o.tenant, a.clock)...)
	}
	return a
}

// errPending is returned when the run ended before every event was delivered.
var errPending = errors.New("ended with events that were not delivered")

// run serves on listener and delivers events until ctx ends; then it makes no more, delivers what is pending within the drain timeout,
// and logs the final status. It goes on serving until then, also after a stop by HTTP.
func (a *application) run(ctx context.Context, listener net.Listener, drainTimeout time.Duration) error {
	server := newServer(a.handler())
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	defer server.Close()

	delivering, abandon := context.WithCancel(context.Background())
	defer abandon()
	var queues sync.WaitGroup
	for _, queue := range a.queues {
		queues.Go(func() { queue.run(delivering) })
	}
	for _, query := range a.queries {
		queues.Go(func() { query.run(delivering) })
	}

	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	a.clock.stop()
	limit := time.AfterFunc(drainTimeout, abandon)
	defer limit.Stop()
	queues.Wait()

	final := a.status()
	account, err := json.Marshal(final)
	if err != nil {
		return err
	}
	slog.Info("ended", "status", string(account)) // quoted, so that no reader of events takes it for one
	// A scrape that is under way still gets its answer.
	closing, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = server.Shutdown(closing)
	if !final.Drained {
		return errPending
	}
	return nil
}

func start(ctx context.Context, arguments []string) error {
	o, err := parse(arguments, os.LookupEnv, os.Stderr)
	if err != nil {
		return err
	}
	if o.flood.lines > 0 {
		return o.flood.write(os.Stdout)
	}
	if len(o.connect.addresses) > 0 {
		return o.connect.write(ctx, os.Stdout)
	}
	host, err := os.Hostname()
	if err != nil {
		return err
	}
	who, err := newIdentity(o.run, host, os.Getenv("OTEL_SERVICE_NAME"), os.Getenv("OTEL_RESOURCE_ATTRIBUTES"))
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", o.address)
	if err != nil {
		return err
	}
	slog.Info("started", "run", o.run, "address", listener.Addr().String(), "paths", o.paths.String(), "interval", o.interval)
	return newApplication(o, who, os.Stdout).run(ctx, listener, o.drainTimeout)
}

func main() {
	slog.SetDefault(slog.New(slog.NewTextHandler(os.Stderr, nil)))
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	if err := start(ctx, os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "sample-application:", err)
		os.Exit(1)
	}
}
