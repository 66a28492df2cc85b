package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func TestAFloodHasEveryNumberInOrderAndLinesOfOneLength(t *testing.T) {
	var out bytes.Buffer
	if err := (flood{run: "r", lines: 1000, length: 120}).write(&out); err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(strings.TrimSuffix(out.String(), "\n"), "\n")
	if len(lines) != 1000 || out.Len() != 1000*120 {
		t.Fatalf("%d lines, %d bytes", len(lines), out.Len())
	}
	for index, line := range lines {
		var found struct {
			Run    string
			Number int
		}
		if err := json.Unmarshal([]byte(line), &found); err != nil || found.Number != index+1 || found.Run != "r" {
			t.Fatalf("line %d is %q: %v", index+1, line, err)
		}
	}
}

func TestAFloodKeepsToItsRate(t *testing.T) {
	var out bytes.Buffer
	start := time.Now()
	if err := (flood{run: "r", lines: 100, length: 100, rate: 100_000}).write(&out); err != nil {
		t.Fatal(err)
	}
	// 10 kB at 100 kB/s: the last line is due after a tenth of a second, and never before.
	if took := time.Since(start); took < 100*time.Millisecond {
		t.Fatalf("written in %s", took)
	}
}
