package main

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"sync"
	"time"
)

// connect is the mode in which the program only tries which TCP connections can be established.
type connect struct {
	addresses list
	timeout   time.Duration
	delay     time.Duration
}

// attempt is what became of one connection, as a line on stdout.
type attempt struct {
	Address     string `json:"address"`
	Established bool   `json:"established"`
	Error       string `json:"error,omitempty"`
}

// write tries all connections at a time, each once and without sending anything, and writes a line for each in the order of the addresses.
func (c connect) write(ctx context.Context, stdout io.Writer) error {
	select {
	case <-time.After(c.delay):
	case <-ctx.Done():
		return ctx.Err()
	}
	attempts := make([]attempt, len(c.addresses))
	var trying sync.WaitGroup
	for number, address := range c.addresses {
		trying.Go(func() { attempts[number] = c.try(ctx, address) })
	}
	trying.Wait()
	lines := json.NewEncoder(stdout)
	for _, line := range attempts {
		if err := lines.Encode(line); err != nil {
			return err
		}
	}
	return nil
}

func (c connect) try(ctx context.Context, address string) attempt {
	dialer := net.Dialer{Timeout: c.timeout}
	connection, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return attempt{Address: address, Error: err.Error()}
	}
	_ = connection.Close()
	return attempt{Address: address, Established: true}
}
