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

// query asks one store for every second event of the clock, whatever became of the queries before, and counts what was not answered with
// data. Nothing is asked again.
type query struct {
	name, url, tenant string
	clock             *clock
	client            *http.Client
	start             int64 // the event that it asks for first

	under sync.WaitGroup // queries under way
	ended atomic.Bool    // no more of them, and none under way

	mutex  sync.Mutex
	first  int64 // the first that was answered with data; 0: none so far
	failed map[int64]string
}

// newQueries returns the queries of a `name=url`, which take turns: name-kept, over connections that are kept, and name-new, each over a
// connection of its own. A Service picks a replica for each connection; what ends a replica is seen on those that are kept.
//
// Without any data so far nothing is counted: what they ask for has to be stored first.
func newQueries(name, url, tenant string, clock *clock) []*query {
	queries := []*query{{name: name + "-kept", start: 1}, {name: name + "-new", start: 2}}
	for _, q := range queries {
		q.url, q.tenant, q.clock, q.client, q.failed = url, tenant, clock, newClient(), map[int64]string{}
		q.client.Timeout = queryTimeout
	}
	queries[1].client.Transport.(*http.Transport).DisableKeepAlives = true
	return queries
}

// run asks until the clock is stopped and everything is answered, or ctx ends.
func (q *query) run(ctx context.Context) {
	defer func() {
		q.under.Wait()
		q.ended.Store(true)
	}()
	for number := q.start; ; number += 2 {
		for due := q.clock.event(number).time; time.Until(due) > 0; {
			if q.clock.stopped() || !sleep(ctx, min(time.Until(due), firstPause)) {
				return
			}
		}
		if q.clock.stopped() && number > q.clock.generated() {
			return
		}
		q.under.Go(func() { q.count(number, q.ask(ctx)) })
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
func (q *query) ask(ctx context.Context) error {
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
	response, err := q.client.Do(request)
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

// queryStatus is the account of one query: of every second event from `first` on, those for which it failed.
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
