package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"strings"
	"testing"
	"time"
)

func TestConnectSaysWhichConnectionsWereEstablished(t *testing.T) {
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

	var out bytes.Buffer
	tried := connect{addresses: list{closed.Addr().String(), open.Addr().String()}, timeout: time.Second}
	if err := tried.write(context.Background(), &out); err != nil {
		t.Fatal(err)
	}
	lines := json.NewDecoder(&out)
	for _, expected := range []attempt{{Address: closed.Addr().String()}, {Address: open.Addr().String(), Established: true}} {
		var found attempt
		if err := lines.Decode(&found); err != nil {
			t.Fatal(err)
		}
		if found.Address != expected.Address || found.Established != expected.Established || (found.Error == "") != expected.Established {
			t.Errorf("%+v, expected %+v", found, expected)
		}
	}
}

func TestConnectEndsWithTheProgram(t *testing.T) {
	ended, end := context.WithCancel(context.Background())
	end()
	if err := (connect{delay: time.Hour}).write(ended, &bytes.Buffer{}); err == nil {
		t.Error("it went on")
	}
}

func TestConnectTakesAddressesWithPorts(t *testing.T) {
	none := func(string) (string, bool) { return "", false }
	o, err := parse([]string{"--connect=mimir:8080,[fd00::1]:3100", "--connect=10.0.0.1:1"}, none, &bytes.Buffer{})
	if err != nil || o.connect.addresses.String() != "mimir:8080,[fd00::1]:3100,10.0.0.1:1" {
		t.Error(o.connect, err)
	}
	for _, wrong := range [][]string{{"--connect=mimir"}, {"--connect=a:1", "--connect-timeout=0s"}, {"--connect=a:1", "--connect-delay=-1s"}} {
		if _, err := parse(wrong, none, &bytes.Buffer{}); err == nil || !strings.Contains(err.Error(), "--connect") {
			t.Error(wrong, err)
		}
	}
}
