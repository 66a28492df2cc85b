// Command connect tries TCP connections, to each address given as an argument, and writes what became of them as one JSON object to the
// standard output. An attempt that a packet filter drops times out, so that it is told apart from one to a port where nothing listens.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// What can become of an attempt; anything else is the text of the error.
const (
	established = "established"
	timedOut    = "timed out"
	refused     = "refused"
)

func main() {
	timeout := flag.Duration("timeout", 3*time.Second, "how long one attempt may take")
	flag.Parse()
	if err := run(flag.Args(), *timeout, os.Stdout); err != nil {
		os.Exit(1)
	}
}

// run tries all addresses at a time and writes address -> outcome.
func run(addresses []string, timeout time.Duration, out io.Writer) error {
	outcomes := make([]string, len(addresses))
	var attempts sync.WaitGroup
	for i, address := range addresses {
		attempts.Go(func() { outcomes[i] = attempt(address, timeout) })
	}
	attempts.Wait()
	answer := make(map[string]string, len(addresses))
	for i, address := range addresses {
		answer[address] = outcomes[i]
	}
	return json.NewEncoder(out).Encode(answer)
}

func attempt(address string, timeout time.Duration) string {
	connection, err := net.DialTimeout("tcp", address, timeout)
	var network net.Error
	switch {
	case err == nil:
		_ = connection.Close()
		return established
	case errors.As(err, &network) && network.Timeout():
		return timedOut
	case errors.Is(err, syscall.ECONNREFUSED):
		return refused
	}
	return err.Error()
}
