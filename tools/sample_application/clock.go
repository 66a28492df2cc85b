package main

import (
	"sync"
	"time"
)

// event is one numbered event. Its time follows from its number, so an event needs no memory until it is sent.
type event struct {
	number int64
	time   time.Time
}

// clock numbers the events of a run: event 1 is due at the start, and one more after each interval, until it is stopped.
//
// All paths share one clock. What a path has still to deliver is therefore two numbers, however long an outage lasts.
type clock struct {
	start    time.Time // event 1, in whole milliseconds
	interval time.Duration

	mutex sync.Mutex
	last  int64 // the last number once stopped; 0 before
}

// newClock starts to count now.
func newClock(interval time.Duration) *clock {
	// Moved, not truncated: truncating would remove the monotonic reading, and a step of the wall clock would change the numbers.
	now := time.Now()
	return &clock{start: now.Add(-time.Duration(now.Nanosecond() % int(time.Millisecond))), interval: interval}
}

// generated returns the number of the latest event that is due.
func (c *clock) generated() int64 {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.last > 0 {
		return c.last
	}
	return int64(time.Since(c.start)/c.interval) + 1
}

// stop makes the latest event the last one; a second stop changes nothing.
func (c *clock) stop() {
	last := c.generated()
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.last == 0 {
		c.last = last
	}
}

// stopped returns whether there will be no more events.
func (c *clock) stopped() bool {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.last > 0
}

// event returns the event of a number.
func (c *clock) event(number int64) event {
	return event{number, c.start.Add(time.Duration(number-1) * c.interval)}
}
