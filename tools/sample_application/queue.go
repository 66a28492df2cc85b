package main

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"
)

// The pauses between two attempts at one event.
const (
	firstPause   = 100 * time.Millisecond
	longestPause = 5 * time.Second
)

// errRejected is what a receiver's definite rejection wraps: the event would be rejected again.
var errRejected = errors.New("rejected")

// deliverer hands one event to a receiver.
//
// It returns nil once the receiver has acknowledged the event, an error that wraps errRejected when it rejected it for good, and any
// other error when the event should be sent again.
type deliverer interface {
	deliver(ctx context.Context, e event) error
}

// queue delivers every event of a clock to one receiver: in order, one at a time, each until it is acknowledged or rejected for good.
type queue struct {
	path, target string
	clock        *clock
	receiver     deliverer
	deliveries   *deliveries // nil where nothing goes over the network

	mutex sync.Mutex
	state progress
}

// progress is how far a queue has come.
type progress struct {
	sent         int64 // events handed to the receiver at least once
	acknowledged int64
	rejected     int64
	errors       int64  // attempts that failed, rejections among them
	lastError    string // of the latest failed attempt
}

// done counts the events that need no more attempts.
func (p progress) done() int64 { return p.acknowledged + p.rejected }

// progress returns a consistent copy.
func (q *queue) progress() progress {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	return q.state
}

// run delivers events as they become due, until the clock is stopped and the last event is through, or ctx ends.
func (q *queue) run(ctx context.Context) {
	for {
		final := q.clock.stopped() // Asked first: the number of events of a stopped clock does not change any more.
		next := q.progress().done() + 1
		if next > q.clock.generated() {
			if final || !q.await(ctx, q.clock.event(next)) {
				return
			}
			continue
		}
		if !q.send(ctx, q.clock.event(next)) {
			return
		}
	}
}

// await sleeps until an event is due, but never so long that a stop of the clock goes unnoticed. It returns false when ctx ends.
func (q *queue) await(ctx context.Context, e event) bool {
	return sleep(ctx, min(max(time.Until(e.time), time.Millisecond), firstPause))
}

// send repeats one event until it is through. It returns false when ctx ends before that.
func (q *queue) send(ctx context.Context, e event) bool {
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		q.update(func(p *progress) { p.sent = e.number })
		start := time.Now()
		err := q.receiver.deliver(ctx, e)
		if q.deliveries != nil && ctx.Err() == nil {
			q.deliveries.add(q.path, q.target, start, err)
		}
		switch {
		case err == nil:
			q.update(func(p *progress) { p.acknowledged++ })
			return true
		case ctx.Err() != nil:
			return false
		case errors.Is(err, errRejected):
			slog.Error("event rejected", "path", q.path, "target", q.target, "number", e.number, "error", err)
			q.update(func(p *progress) { p.rejected++; p.errors++; p.lastError = err.Error() })
			return true
		}
		if pause == firstPause {
			slog.Warn("event not delivered, will be sent again", "path", q.path, "target", q.target, "number", e.number, "error", err)
		}
		q.update(func(p *progress) { p.errors++; p.lastError = err.Error() })
		if !sleep(ctx, pause) {
			return false
		}
	}
}

func (q *queue) update(change func(*progress)) {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	change(&q.state)
}

// sleep returns false when ctx ends first.
func sleep(ctx context.Context, duration time.Duration) bool {
	timer := time.NewTimer(duration)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
