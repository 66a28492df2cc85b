package main

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// asked runs one query against a store that answers the numbers of its requests by `answer`, until it was asked `times`.
func asked(t *testing.T, times int64, answer func(number int64, w http.ResponseWriter, r *http.Request)) queryStatus {
	t.Helper()
	var requests atomic.Int64
	clock := newClock(interval)
	store := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		number := requests.Add(1)
		if number == times {
			clock.stop()
		}
		answer(number, w, r)
	}))
	defer store.Close()
	asking := newQuery("mimir", store.URL+"/query?query=up", "north", clock)
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
			account := asked(t, 6, func(number int64, w http.ResponseWriter, r *http.Request) {
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

func TestQueriesCountFromTheFirstAnswerWithData(t *testing.T) {
	account := asked(t, 6, func(number int64, w http.ResponseWriter, _ *http.Request) {
		if number < 3 {
			_, _ = io.WriteString(w, withoutData)
			return
		}
		_, _ = io.WriteString(w, withData)
	})
	if account.First < 3 || len(account.Failed) != 0 {
		t.Errorf("%+v, expected no failure, and not before the third", account)
	}
	if account := asked(t, 3, func(_ int64, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) }); account.First != 0 {
		t.Errorf("%+v, expected no first one", account)
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
