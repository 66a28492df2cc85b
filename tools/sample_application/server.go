package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// report is what /status answers.
type report struct {
	Run             string        `json:"run"`
	Started         string        `json:"started"`
	IntervalSeconds float64       `json:"interval_seconds"`
	Stopped         bool          `json:"stopped"` // no more events will come
	Drained         bool          `json:"drained"` // stopped, and nothing is pending
	Paths           []pathStatus  `json:"paths"`
	Queries         []queryStatus `json:"queries,omitempty"`
}

// pathStatus is the account of one path, or of one target of it: generated = acknowledged + rejected + pending.
type pathStatus struct {
	Path         string  `json:"path"`
	Target       string  `json:"target"`
	Generated    int64   `json:"generated"`
	Sent         int64   `json:"sent"` // handed to the receiver at least once
	Acknowledged int64   `json:"acknowledged"`
	Rejected     int64   `json:"rejected"`
	Pending      int64   `json:"pending"`
	Errors       int64   `json:"errors"`
	LastError    string  `json:"last_error"`
	First        *moment `json:"first"` // the first and the last event that is acknowledged or rejected; null when there is none
	Last         *moment `json:"last"`
}

type moment struct {
	Number int64  `json:"number"`
	Time   string `json:"time"`
}

// status takes the account of every path.
func (a *application) status() report {
	result := report{
		Run: a.identity.run, Started: timestamp(a.clock.start), IntervalSeconds: a.clock.interval.Seconds(), Stopped: a.clock.stopped(),
	}
	result.Drained = result.Stopped
	if a.scrape {
		generated := a.clock.generated()
		result.Paths = append(result.Paths, a.account(pathScrape, "", progress{sent: generated, acknowledged: generated}, generated))
	}
	for _, queue := range a.queues {
		state := queue.progress() // before the clock is asked: pending is never negative
		account := a.account(queue.path, queue.target, state, a.clock.generated())
		result.Drained = result.Drained && account.Pending == 0
		result.Paths = append(result.Paths, account)
	}
	for _, query := range a.queries {
		result.Drained = result.Drained && query.ended.Load()
		result.Queries = append(result.Queries, query.status())
	}
	return result
}

func (a *application) account(path, target string, state progress, generated int64) pathStatus {
	account := pathStatus{
		Path: path, Target: target, Generated: generated, Sent: state.sent, Acknowledged: state.acknowledged, Rejected: state.rejected,
		Pending: generated - state.done(), Errors: state.errors, LastError: state.lastError,
	}
	if state.done() > 0 {
		account.First = a.moment(1)
		account.Last = a.moment(state.done())
	}
	return account
}

func (a *application) moment(number int64) *moment {
	return &moment{number, timestamp(a.clock.event(number).time)}
}

// handler serves /metrics, /status, /deliveries, POST /stop and /healthz.
func (a *application) handler() http.Handler {
	routes := http.NewServeMux()
	routes.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok\n") })
	routes.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) { a.writeStatus(w, http.StatusOK) })
	routes.HandleFunc("GET /deliveries", func(w http.ResponseWriter, r *http.Request) {
		after, err := strconv.ParseInt(cmp.Or(r.URL.Query().Get("after"), "0"), 10, 64)
		if err != nil {
			http.Error(w, "after must be a sequence number", http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(a.deliveries.after(after))
	})
	routes.HandleFunc("POST /stop", func(w http.ResponseWriter, _ *http.Request) {
		a.clock.stop()
		a.writeStatus(w, http.StatusAccepted)
	})
	routes.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		_, _ = io.WriteString(w, a.exposition())
	})
	return routes
}

func (a *application) writeStatus(w http.ResponseWriter, code int) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(a.status())
}

// exposition renders the metrics in Prometheus' text format.
func (a *application) exposition() string {
	var out strings.Builder
	all := a.status()
	family := func(name, help string, value func(pathStatus) int64) {
		name = a.prefix + name
		fmt.Fprintf(&out, "# HELP %s %s\n# TYPE %s counter\n", name, help, name)
		for _, path := range all.Paths {
			fmt.Fprintf(&out, "%s{path=%q,run=%q,target=%q} %d\n", name, path.Path, all.Run, path.Target, value(path))
		}
	}
	if a.scrape {
		name := a.prefix + "scrape_events_total"
		fmt.Fprintf(&out, "# HELP %s Events of the run, one per interval.\n# TYPE %s counter\n%s{run=%q} %d\n", name, name, name, all.Run, all.Paths[0].Generated)
	}
	family("generated_total", "Events that were due on a path.", func(p pathStatus) int64 { return p.Generated })
	family("sent_total", "Events handed to the receiver at least once.", func(p pathStatus) int64 { return p.Sent })
	family("acknowledged_total", "Events that the receiver has acknowledged.", func(p pathStatus) int64 { return p.Acknowledged })
	family("rejected_total", "Events that the receiver has rejected for good.", func(p pathStatus) int64 { return p.Rejected })
	family("send_errors_total", "Attempts that failed.", func(p pathStatus) int64 { return p.Errors })
	return out.String()
}

// newServer returns the server for the handler, with limits for slow clients.
func newServer(handler http.Handler) *http.Server {
	return &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute}
}
