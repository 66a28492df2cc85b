package main

import (
	"sync"
	"time"
)

// How many deliveries are kept: at 25 in a second, those of more than an hour.
const keptDeliveries = 100_000

// delivery is one try to hand an event to a receiver over the network.
type delivery struct {
	Sequence     int64   `json:"sequence"` // counts the deliveries of all paths, from 1
	Path         string  `json:"path"`
	Target       string  `json:"target"`
	Start        float64 `json:"start"` // Unix seconds
	Milliseconds float64 `json:"milliseconds"`
	Error        string  `json:"error"` // empty after an acknowledgement
}

// deliveries is what the latest tries came to: the accounts of the paths have only sums, and a retry hides a failure from its client.
type deliveries struct {
	mutex  sync.Mutex
	latest []delivery
	last   int64
}

// add keeps a delivery that has just ended; the oldest one goes where there are too many.
func (d *deliveries) add(path, target string, start time.Time, failure error) {
	made := delivery{
		Path: path, Target: target, Start: float64(start.UnixMicro()) / 1e6, Milliseconds: float64(time.Since(start).Microseconds()) / 1e3,
	}
	if failure != nil {
		made.Error = failure.Error()
	}
	d.mutex.Lock()
	defer d.mutex.Unlock()
	d.last++
	made.Sequence = d.last
	if len(d.latest) < keptDeliveries {
		d.latest = append(d.latest, made)
	} else {
		d.latest[(d.last-1)%keptDeliveries] = made
	}
}

// after returns the kept deliveries that come after one with that sequence number, in their order.
func (d *deliveries) after(sequence int64) []delivery {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	found := []delivery{}
	for next := max(sequence, d.last-int64(len(d.latest))) + 1; next <= d.last; next++ {
		found = append(found, d.latest[(next-1)%keptDeliveries])
	}
	return found
}
