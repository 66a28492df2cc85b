// Command grafana-substitute takes Grafana's place in the lab when there is no real Grafana to run, and says so in all that it answers.
//
// It reads the same provisioning files as Grafana, asks the data sources for real (health check and proxy), and checks
// the administrator's password. It knows no dashboards, no users, no user interface, and is never used outside the lab.
//
// Of Grafana's environment it knows GF_PATHS_CONFIG, GF_PATHS_PROVISIONING, GF_SECURITY_ADMIN_USER, GF_SECURITY_ADMIN_PASSWORD, GF_SERVER_HTTP_ADDR
// and GF_SERVER_HTTP_PORT, each also as NAME__FILE, the path of a file that holds the value. Of the configuration file it reads how many
// connections to data sources are kept. Arguments are ignored.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"gopkg.in/ini.v1"
)

// How long requests under way may still take after SIGTERM.
const drain = 30 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := run(ctx, nil); err != nil {
		fmt.Fprintln(os.Stderr, "grafana-substitute:", err)
		os.Exit(1)
	}
}

// run serves until ctx ends and then lets the requests under way finish. `listening` gets the address.
func run(ctx context.Context, listening func(net.Addr)) error {
	settings, err := readSettings()
	if err != nil {
		return err
	}
	sources, err := loadDataSources(settings["GF_PATHS_PROVISIONING"])
	if err != nil {
		return fmt.Errorf("provisioning: %w", err)
	}
	kept, err := keptConnections(settings["GF_PATHS_CONFIG"])
	if err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(settings["GF_SERVER_HTTP_ADDR"], settings["GF_SERVER_HTTP_PORT"]))
	if err != nil {
		return err
	}
	site := &server{user: settings["GF_SECURITY_ADMIN_USER"], password: settings["GF_SECURITY_ADMIN_PASSWORD"], sources: sources}
	site.client.Transport = &http.Transport{MaxIdleConns: kept, MaxIdleConnsPerHost: kept, IdleConnTimeout: 90 * time.Second}
	web := &http.Server{Handler: site.handler(), ReadHeaderTimeout: 10 * time.Second}
	slog.Info(substituteText, "address", listener.Addr().String(), "data_sources", len(sources))
	if listening != nil {
		listening(listener.Addr())
	}

	failed := make(chan error, 1)
	go func() { failed <- web.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	limit, cancel := context.WithTimeout(context.Background(), drain)
	defer cancel()
	return web.Shutdown(limit)
}

// readSettings reads the known variables with Grafana's own defaults. A variable that is given both as a value and as
// a file is an error, as it is for Grafana's image.
func readSettings() (map[string]string, error) {
	settings := map[string]string{
		"GF_PATHS_CONFIG":            "/etc/grafana/grafana.ini",
		"GF_PATHS_PROVISIONING":      "/etc/grafana/provisioning",
		"GF_SECURITY_ADMIN_USER":     "admin",
		"GF_SECURITY_ADMIN_PASSWORD": "admin",
		"GF_SERVER_HTTP_ADDR":        "",
		"GF_SERVER_HTTP_PORT":        "3000",
	}
	var failed error
	for name := range settings {
		value, path := os.Getenv(name), os.Getenv(name+"__FILE")
		switch {
		case value != "" && path != "":
			failed = errors.Join(failed, fmt.Errorf("%s and %s__FILE exclude each other", name, name))
		case value != "":
			settings[name] = value
		case path != "":
			content, err := os.ReadFile(path)
			failed = errors.Join(failed, err)
			settings[name] = strings.TrimRight(string(content), "\r\n")
		}
	}
	return settings, failed
}

// keptConnections returns how many idle connections to data sources Grafana keeps by its configuration file: 100 without it or without the
// setting, none below zero (Grafana 13.2, dataproxy.max_idle_connections).
func keptConnections(path string) (int, error) {
	configuration, err := ini.LooseLoad(path)
	if err != nil {
		return 0, err
	}
	key := configuration.Section("dataproxy").Key("max_idle_connections")
	if key.String() == "" {
		return 100, nil
	}
	return key.Int()
}
