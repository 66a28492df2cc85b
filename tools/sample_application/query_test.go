package main

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// asked runs one of the two queries against a store that answers its requests, which are numbered, by `answer`, until it was asked `times`.
func asked(t *testing.T, kind int, times int64, answer func(number int64, w http.ResponseWriter, r *http.Request)) queryStatus {
	t.Helper()
	var requests atomic.Int64
	clock := newClock(3 * interval)
	store := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		number := requests.Add(1)
		if number == times {
			clock.stop()
		}
		answer(number, w, r)
	}))
	defer store.Close()
	asking := newQueries("mimir", store.URL+"/query?query=up", "north", clock)[kind]
	asking.client.Timeout = time.Second
	asking.run(context.Background())
	if !asking.ended.Load() {
		t.Error("it has not ended")
	}
	return asking.status()
}

const (
	withData    = `{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"7"]}]}}`
	withoutData = `{"status":"success","data":{"resultType":"vector","result":[]}}`
)

func TestQueriesThatAreNotAnsweredWithDataHaveFailed(t *testing.T) {
	for name, wrong := range map[string]func(http.ResponseWriter){
		"no data":           func(w http.ResponseWriter) { _, _ = io.WriteString(w, withoutData) },
		"status 503":        func(w http.ResponseWriter) { http.Error(w, "not ready", http.StatusServiceUnavailable) },
		"not the answer of": func(w http.ResponseWriter) { _, _ = io.WriteString(w, "<html>") },
		"EOF":               func(w http.ResponseWriter) { panic(http.ErrAbortHandler) },
		"exceeded":          func(w http.ResponseWriter) { time.Sleep(1200 * time.Millisecond) },
	} {
		t.Run(name, func(t *testing.T) {
			account := asked(t, 0, 6, func(number int64, w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("X-Scope-OrgID") != "north" || r.FormValue("query") != "up" {
					t.Errorf("it asked %s for %v, tenant %q", r.URL, r.Form, r.Header.Get("X-Scope-OrgID"))
				}
				if number == 3 {
					wrong(w)
					return
				}
				_, _ = io.WriteString(w, withData)
			})
			if account.First != 1 || len(account.Failed) != 1 || !strings.Contains(account.Failed[0].Error, name) {
				t.Errorf("%+v, expected one failure with %q", account, name)
			}
		})
	}
}

func TestConnectionsAreKeptOrNew(t *testing.T) {
	for kind, connections := range []int{1, 4} {
		from := map[string]bool{}
		var mutex sync.Mutex
		account := asked(t, kind, 4, func(_ int64, w http.ResponseWriter, r *http.Request) {
			mutex.Lock()
			defer mutex.Unlock()
			from[r.RemoteAddr] = true
			_, _ = io.WriteString(w, withData)
		})
		if name := []string{"mimir-kept", "mimir-new"}[kind]; account.Name != name || account.First != int64(kind+1) || len(from) != connections {
			t.Errorf("%+v over %d connections, expected %s over %d, from event %d on", account, len(from), name, connections, kind+1)
		}
	}
}

func TestQueriesCountFromTheFirstAnswerWithData(t *testing.T) {
	asking := newQueries("mimir", "http://mimir:8080/", "", newClock(interval))[0]
	// Answers come in any order.
	for _, answer := range []struct {
		number int64
		err    error
	}{{1, errRejected}, {2, errRejected}, {5, nil}, {4, nil}, {7, errRejected}, {3, errRejected}, {6, errRejected}} {
		if account := asking.status(); account.First == 0 && len(account.Failed) > 0 {
			t.Errorf("%+v, expected no failure so far", account)
		}
		asking.count(answer.number, answer.err)
	}
	account := asking.status()
	if account.First != 4 || len(account.Failed) != 2 || account.Failed[0].Number != 6 || account.Failed[1].Number != 7 {
		t.Errorf("%+v, expected 4 as the first, and failures of 6 and 7", account)
	}
}

func TestAQueryHasANameAndAnAddress(t *testing.T) {
	for _, wrong := range []string{"http://mimir:8080", "mimir=mimir:8080", "=http://mimir:8080"} {
		if _, err := parse([]string{"--query", wrong}, func(string) (string, bool) { return "", false }, io.Discard); err == nil {
			t.Errorf("%q was accepted", wrong)
		}
	}
	o, err := parse([]string{"--query", "mimir=http://mimir:8080/q?query=a%2Cb", "--query", "loki=http://loki:3100/"}, func(string) (string, bool) { return "", false }, io.Discard)
	if err != nil || len(o.queries) != 2 {
		t.Errorf("%v, %v", o.queries, err)
	}
}
