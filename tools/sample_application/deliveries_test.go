package main

import (
	"encoding/json"
	"errors"
	"net/http"
	"testing"
	"time"
)

func TestDeliveriesShowWhatARepetitionHides(t *testing.T) {
	s := newStore(t)
	r := begin(t, 10*time.Second, s.everyPath()...)
	r.reaches(10, pushed...)
	s.down()
	time.Sleep(300 * time.Millisecond)
	s.up()
	r.reaches(r.clock.generated()+5, pushed...)
	failed, good := map[string]int{}, map[string]int{}
	var last int64
	for _, found := range r.deliveries.after(0) {
		if found.Sequence != last+1 || found.Start < float64(r.clock.start.Unix()) || found.Milliseconds < 0 {
			t.Fatalf("after %d: %+v", last, found)
		}
		last = found.Sequence
		if found.Error == "" {
			good[found.Path]++
		} else {
			failed[found.Path]++
		}
	}
	for _, path := range pushed {
		if good[path] == 0 || failed[path] == 0 {
			t.Errorf("%s: %d good, %d failed", path, good[path], failed[path])
		}
	}
	if good[pathStdoutLogs] > 0 {
		t.Errorf("lines are no requests")
	}
	if err := r.end(); err != nil {
		t.Fatal(err)
	}
}

func TestOnlyTheLatestDeliveriesAreKept(t *testing.T) {
	var a deliveries
	for range keptDeliveries + 5 {
		a.add(pathOTLPLogs, "there", time.Now(), errors.New("no"))
	}
	found := a.after(2)
	if len(found) != keptDeliveries || found[0].Sequence != 6 || found[len(found)-1].Sequence != keptDeliveries+5 {
		t.Errorf("%d, from %d", len(found), found[0].Sequence)
	}
	if rest := a.after(keptDeliveries + 4); len(rest) != 1 || rest[0].Error != "no" {
		t.Errorf("%+v", rest)
	}
	if none := a.after(keptDeliveries + 5); none == nil || len(none) != 0 {
		t.Errorf("%+v", none)
	}
}

func TestDeliveriesAreServedFromASequenceNumberOn(t *testing.T) {
	s := newStore(t)
	r := begin(t, time.Second, s.everyPath()...)
	r.reaches(3, pushed...)
	for query, status := range map[string]int{"": 200, "?after=2": 200, "?after=x": 400} {
		answer, err := http.Get(r.address + "/deliveries" + query)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		if answer.StatusCode != status {
			t.Errorf("%q: %d", query, answer.StatusCode)
		}
		var found []delivery
		if status == 200 && (json.NewDecoder(answer.Body).Decode(&found) != nil || len(found) == 0) {
			t.Errorf("%q: nothing", query)
		}
		if query == "?after=2" && len(found) > 0 && found[0].Sequence != 3 {
			t.Errorf("from %d", found[0].Sequence)
		}
	}
	if err := r.end(); err != nil {
		t.Fatal(err)
	}
}
