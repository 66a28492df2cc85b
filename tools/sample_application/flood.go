package main

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"time"
)

// flood is what a container with much to say does: it writes numbered lines to stdout, at a rate, and ends.
type flood struct {
	run    string
	lines  int64
	length int   // bytes of a line, its end included
	rate   int64 // bytes per second; 0: as fast as they are taken
}

// How often a flood writes what is due.
const floodTick = 10 * time.Millisecond

// line returns one line of exactly the wanted length, or a longer one when the number does not fit into it.
func (f flood) line(number int64) string {
	head := fmt.Sprintf(`{"run":%q,"number":%d,"fill":"`, f.run, number)
	const tail = "\"}\n"
	// Another part of the text for each line: equal ones would be compressed to nothing.
	return head + stretch(number, f.length-len(head)-len(tail)) + tail
}

const letters = "the quick brown fox jumps over the lazy dog 0123456789 status=200 path=/api/v1/orders duration=12ms level=info user=4711 "

func stretch(offset int64, length int) string {
	if length <= 0 {
		return ""
	}
	from := int(offset*31) % len(letters)
	return strings.Repeat(letters, (from+length)/len(letters)+1)[from : from+length]
}

// write writes all lines. The line that is due follows from the time since the start, so a slow reader delays lines and loses none.
func (f flood) write(stdout io.Writer) error {
	out := bufio.NewWriterSize(stdout, 1<<16)
	start := time.Now()
	for next := int64(1); next <= f.lines; {
		due := f.lines
		if f.rate > 0 {
			due = min(f.lines, int64(time.Since(start).Seconds()*float64(f.rate))/int64(f.length))
		}
		for ; next <= due; next++ {
			if _, err := out.WriteString(f.line(next)); err != nil {
				return err
			}
		}
		if err := out.Flush(); err != nil {
			return err
		}
		if next <= f.lines {
			time.Sleep(floodTick)
		}
	}
	return nil
}
