package main

import (
	"bytes"
	"encoding/json"
	"net"
	"testing"
	"time"
)

func TestSaysWhatBecameOfEachAttempt(t *testing.T) {
	open, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	expected := map[string]string{open.Addr().String(): established, closed.Addr().String(): refused}

	var out bytes.Buffer
	if err := run([]string{open.Addr().String(), closed.Addr().String()}, time.Second, &out); err != nil {
		t.Fatal(err)
	}
	var found map[string]string
	if err := json.Unmarshal(out.Bytes(), &found); err != nil {
		t.Fatal(err)
	}
	for address, outcome := range expected {
		if found[address] != outcome {
			t.Errorf("%s: %q, want %q", address, found[address], outcome)
		}
	}
	if len(found) != len(expected) {
		t.Errorf("%d answers, want %d", len(found), len(expected))
	}
}

func TestAnAttemptThatTakesTooLongTimesOut(t *testing.T) {
	// No time at all, so that no connection is quick enough.
	if outcome := attempt("127.0.0.1:1", time.Nanosecond); outcome != timedOut {
		t.Errorf("%q, want %q", outcome, timedOut)
	}
}
