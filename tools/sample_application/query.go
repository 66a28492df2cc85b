package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// How long an answer to a query may take.
const queryTimeout = 10 * time.Second

// query asks one store once for each event of the clock, whatever became of the queries before, and counts what was not answered with data.
//
// Nothing is asked again. Every second query is sent over a connection that is kept, the others over one of their own: a Service picks a
// replica for each connection, and what ends a replica is seen on those that are kept.
type query struct {
	name, url, tenant string
	clock             *clock
	kept, new         *http.Client

	under sync.WaitGroup // queries under way
	ended atomic.Bool    // no more of them, and none under way

	mutex  sync.Mutex
	first  int64 // the first that was answered with data; 0: none so far
	failed map[int64]string
}

// newQuery returns the query of a `name=url`. Without any data so far nothing is counted: what it asks for has to be stored first.
func newQuery(name, url, tenant string, clock *clock) *query {
	q := &query{name: name, url: url, tenant: tenant, clock: clock, kept: newClient(), new: newClient(), failed: map[int64]string{}}
	q.new.Transport.(*http.Transport).DisableKeepAlives = true
	q.limit(queryTimeout)
	return q
}

// limit sets how long an answer may take.
func (q *query) limit(timeout time.Duration) { q.kept.Timeout, q.new.Timeout = timeout, timeout }

// run asks until the clock is stopped and everything is answered, or ctx ends.
func (q *query) run(ctx context.Context) {
	defer func() {
		q.under.Wait()
		q.ended.Store(true)
	}()
	for number := int64(1); ; number++ {
		for due := q.clock.event(number).time; time.Until(due) > 0; {
			if q.clock.stopped() || !sleep(ctx, min(time.Until(due), firstPause)) {
				return
			}
		}
		if q.clock.stopped() && number > q.clock.generated() {
			return
		}
		q.under.Go(func() { q.count(number, q.ask(ctx, number)) })
	}
}

func (q *query) count(number int64, err error) {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	switch {
	case err != nil:
		q.failed[number] = err.Error()
	case q.first == 0 || number < q.first:
		q.first = number
	}
}

// ask returns an error unless the store answers with data, in the format that Prometheus, Mimir and Loki share.
func (q *query) ask(ctx context.Context, number int64) error {
	address, form, _ := strings.Cut(q.url, "?")
	// As Grafana asks. A GET would be sent again by the client itself when its connection is cut.
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, io.NopCloser(strings.NewReader(form)))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if q.tenant != "" {
		request.Header.Set("X-Scope-OrgID", q.tenant)
	}
	request.Header.Set("User-Agent", "observability-stack-sample-application")
	client := q.kept
	if number%2 == 1 {
		client = q.new
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return rejection(response.StatusCode, body)
	}
	var answer struct {
		Data struct {
			Result []json.RawMessage `json:"result"`
		} `json:"data"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return fmt.Errorf("not the answer of a query: %w", err)
	}
	if len(answer.Data.Result) == 0 {
		return errors.New("no data")
	}
	return nil
}

// queryStatus is the account of one query: of the events from `first` on, those whose query failed.
type queryStatus struct {
	Name   string         `json:"name"`
	First  int64          `json:"first"`
	Failed []queryFailure `json:"failed"`
}

type queryFailure struct {
	Number int64  `json:"number"`
	Error  string `json:"error"`
}

func (q *query) status() queryStatus {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	account := queryStatus{Name: q.name, First: q.first, Failed: []queryFailure{}}
	for number, reason := range q.failed {
		if q.first > 0 && number > q.first {
			account.Failed = append(account.Failed, queryFailure{number, reason})
		}
	}
	slices.SortFunc(account.Failed, func(a, b queryFailure) int { return int(a.Number - b.Number) })
	return account
}
