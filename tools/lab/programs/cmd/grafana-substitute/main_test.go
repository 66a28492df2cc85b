package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// provision writes one provisioning file and points the environment at its directory.
func provision(t *testing.T, content string) {
	t.Helper()
	directory := t.TempDir()
	if err := os.Mkdir(filepath.Join(directory, "datasources"), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(directory, "datasources", "stack.yaml"), content)
	t.Setenv("GF_PATHS_PROVISIONING", directory)
	t.Setenv("GF_SERVER_HTTP_ADDR", "127.0.0.1")
	t.Setenv("GF_SERVER_HTTP_PORT", "0")
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// serve runs the whole program until the test ends and returns its address; it must then end without an error.
func serve(t *testing.T) string {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	address, ended := make(chan net.Addr, 1), make(chan error, 1)
	go func() { ended <- run(ctx, func(found net.Addr) { address <- found }) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("shutdown: %v", err)
		}
	})
	select {
	case found := <-address:
		return "http://" + found.String()
	case err := <-ended:
		ended <- nil
		t.Fatal(err)
		return ""
	}
}

// ask sends a request (as the administrator unless the password is empty) and returns status, header and body.
func ask(t *testing.T, method, address, password, body string) (int, http.Header, string) {
	t.Helper()
	request, err := http.NewRequest(method, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if password != "" {
		request.SetBasicAuth("admin", password)
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if response.Header.Get("X-Substitute") != "grafana" {
		t.Errorf("%s %s does not say that it comes from a substitute", method, address)
	}
	return response.StatusCode, response.Header, string(text)
}

// echo is a data source that answers every query with what it was asked.
func echo(t *testing.T) *httptest.Server {
	t.Helper()
	source := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, _, _ := r.BasicAuth()
		_ = r.ParseForm()
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{
			"status": "success", "method": r.Method, "path": r.URL.EscapedPath(), "query": r.Form.Get("query"),
			"tenant": r.Header.Get("X-Scope-OrgID"), "user": user, "cookie": r.Header.Get("Cookie"),
		})
	}))
	t.Cleanup(source.Close)
	return source
}

const stack = `
apiVersion: 1
datasources:
  - name: Mimir
    uid: mimir
    type: prometheus
    url: %s/prometheus
    isDefault: $DEFAULT
    jsonData: {httpHeaderName1: X-Scope-OrgID, correlation: '$${__value.raw}'}
    secureJsonData: {httpHeaderValue1: $TENANT}
  - name: Loki
    uid: loki
    type: loki
    url: "${LOKI}"
    basicAuth: true
    basicAuthUser: reader
    secureJsonData: {basicAuthPassword: "1234"}
  - name: Tempo
    uid: tempo
    type: tempo
    url: http://127.0.0.1:1
`

func start(t *testing.T) string {
	t.Helper()
	source := echo(t)
	t.Setenv("TENANT", "team: one #1")
	t.Setenv("DEFAULT", "true")
	t.Setenv("LOKI", source.URL)
	t.Setenv("GF_SECURITY_ADMIN_PASSWORD", "right")
	provision(t, fmt.Sprintf(stack, source.URL))
	return serve(t)
}

func TestPublicPagesSayThatTheyAreAStandIn(t *testing.T) {
	address := start(t)
	for path, wanted := range map[string]string{"/api/health": `"substitute":"grafana"`, "/healthz": "Ok", "/login": "<title>Substitute for Grafana</title>"} {
		if status, _, body := ask(t, "GET", address+path, "", ""); status != 200 || !strings.Contains(body, wanted) {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	if status, header, _ := ask(t, "GET", address+"/", "", ""); status != 302 || header.Get("Location") != "/login" {
		t.Errorf("/: %d to %q", status, header.Get("Location"))
	}
}

func TestTheAPINeedsThePassword(t *testing.T) {
	address := start(t)
	for _, path := range []string{"", "/uid/mimir", "/uid/mimir/health", "/proxy/uid/mimir/api/v1/labels"} {
		for password, wanted := range map[string]int{"": 401, "wrong": 401, "right": 200} {
			if status, _, body := ask(t, "GET", address+"/api/datasources"+path, password, ""); status != wanted {
				t.Errorf("%q with password %q: %d, not %d: %s", path, password, status, wanted, body)
			}
		}
	}
	if status, _, _ := ask(t, "GET", address+"/api/dashboards/home", "right", ""); status != 404 {
		t.Errorf("what a substitute has not: %d", status)
	}
}

func TestDataSourcesAreListedWithoutTheirSecrets(t *testing.T) {
	_, _, body := ask(t, "GET", start(t)+"/api/datasources", "right", "")
	var all []struct {
		UID, URL         string
		IsDefault        bool
		JSONData         map[string]string
		SecureJSONFields map[string]bool
	}
	if err := json.Unmarshal([]byte(body), &all); err != nil {
		t.Fatal(err)
	}
	if len(all) != 3 || all[0].UID != "mimir" || !all[0].IsDefault || all[1].IsDefault {
		t.Errorf("listed: %s", body)
	}
	if all[0].JSONData["correlation"] != "${__value.raw}" {
		t.Errorf("$$ is not a dollar sign: %s", body)
	}
	if strings.Contains(body, "team: one") || !all[0].SecureJSONFields["httpHeaderValue1"] {
		t.Errorf("secrets: %s", body)
	}
}

func TestTheProxyPassesOnTheRequestAndTheTenantOnly(t *testing.T) {
	proxy := start(t) + "/api/datasources/proxy/uid/"
	cases := []struct{ method, path, body, wanted string }{
		{"GET", "mimir/api/v1/query?query=up", "", `{"cookie":"","method":"GET","path":"/prometheus/api/v1/query","query":"up","status":"success","tenant":"team: one #1","user":""}`},
		{"POST", "mimir/api/v1/query", "query=up", `{"cookie":"","method":"POST","path":"/prometheus/api/v1/query","query":"up","status":"success","tenant":"team: one #1","user":""}`},
		{"GET", "mimir/api/v1/label/a%2Fb/values", "", `{"cookie":"","method":"GET","path":"/prometheus/api/v1/label/a%2Fb/values","query":"","status":"success","tenant":"team: one #1","user":""}`},
		{"GET", "loki/loki/api/v1/labels", "", `{"cookie":"","method":"GET","path":"/loki/api/v1/labels","query":"","status":"success","tenant":"","user":"reader"}`},
	}
	for _, c := range cases {
		if status, _, body := ask(t, c.method, proxy+c.path, "right", c.body); status != 200 || strings.TrimSpace(body) != c.wanted {
			t.Errorf("%s %s: %d %s", c.method, c.path, status, body)
		}
	}
	if status, _, _ := ask(t, "DELETE", proxy+"mimir/api/v1/series", "right", ""); status == 200 {
		t.Error("DELETE was passed on")
	}
	if status, _, _ := ask(t, "GET", proxy+"tempo/ready", "right", ""); status != 502 {
		t.Errorf("a data source that is down: %d", status)
	}
	if status, _, _ := ask(t, "GET", proxy+"nobody/ready", "right", ""); status != 404 {
		t.Errorf("an unknown data source: %d", status)
	}
}

func TestConnectionsToDataSourcesAreKeptAsTheConfigurationSays(t *testing.T) {
	for setting, wanted := range map[string]int{"": 1, "max_idle_connections = 5": 1, "max_idle_connections = -1": 3} {
		t.Run(setting, func(t *testing.T) {
			seen := map[string]bool{}
			source := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen[r.RemoteAddr] = true }))
			defer source.Close()
			t.Setenv("GF_SECURITY_ADMIN_PASSWORD", "right")
			provision(t, "datasources: [{name: P, uid: p, type: prometheus, url: '"+source.URL+"'}]")
			configuration := filepath.Join(t.TempDir(), "grafana.ini")
			write(t, configuration, "[dataproxy]\n"+setting+"\n")
			t.Setenv("GF_PATHS_CONFIG", configuration)
			address := serve(t)
			for range 3 {
				ask(t, "GET", address+"/api/datasources/proxy/uid/p/any", "right", "")
			}
			if len(seen) != wanted {
				t.Errorf("%d connections, not %d", len(seen), wanted)
			}
		})
	}
}

func TestAConfigurationThatCannotBeReadIsAnError(t *testing.T) {
	path := filepath.Join(t.TempDir(), "grafana.ini")
	write(t, path, "[dataproxy]\nmax_idle_connections = many\n")
	if _, err := keptConnections(path); err == nil {
		t.Error("no error")
	}
}

func TestHealthReallyAsksTheDataSource(t *testing.T) {
	source := echo(t)
	t.Setenv("GF_SECURITY_ADMIN_PASSWORD", "right")
	provision(t, fmt.Sprintf("datasources: [{name: Loki, uid: loki, type: loki, url: '%[1]s'}, {name: P, uid: p, type: prometheus, url: '%[1]s'}, {name: T, uid: t, type: tempo, url: '%[1]s'}]", source.URL))
	address := serve(t) + "/api/datasources/uid/"
	for uid, wanted := range map[string]int{"loki": 200, "p": 200, "t": 400, "nobody": 404} {
		if status, _, body := ask(t, "GET", address+uid+"/health", "right", ""); status != wanted {
			t.Errorf("%s: %d %s", uid, status, body)
		}
	}
	source.Close()
	if status, _, body := ask(t, "GET", address+"p/health", "right", ""); status != 400 || !strings.Contains(body, "dial tcp") {
		t.Errorf("after the data source was stopped: %d %s", status, body)
	}
}

func TestValuesComeFromFilesToo(t *testing.T) {
	secrets := t.TempDir()
	write(t, filepath.Join(secrets, "password"), "from a file\n")
	write(t, filepath.Join(secrets, "url"), "http://loki:3100\n")
	t.Setenv("GF_SECURITY_ADMIN_PASSWORD__FILE", filepath.Join(secrets, "password"))
	provision(t, fmt.Sprintf("datasources: [{name: Loki, type: loki, url: '$__file{%s/url}'}]", secrets))
	status, _, body := ask(t, "GET", serve(t)+"/api/datasources", "from a file", "")
	if status != 200 || !strings.Contains(body, `"url":"http://loki:3100"`) {
		t.Errorf("%d %s", status, body)
	}
}

func TestWhatGrafanaRejectsIsRejected(t *testing.T) {
	cases := map[string]string{
		"two defaults":    "datasources: [{name: a, type: loki, url: http://a, isDefault: true}, {name: b, type: loki, url: http://b, isDefault: true}]",
		"one uid twice":   "datasources: [{name: a, uid: x, type: loki, url: http://a}, {name: b, uid: x, type: loki, url: http://b}]",
		"one name twice":  "datasources: [{name: a, uid: x, type: loki, url: http://a}, {name: a, uid: y, type: loki, url: http://b}]",
		"no type":         "datasources: [{name: a, url: http://a}]",
		"no address":      "datasources: [{name: a, type: loki, url: $UNDEFINED}]",
		"not YAML":        "datasources: [",
		"a missing file":  "datasources: [{name: a, type: loki, url: '$__file{/nowhere}'}]",
		"an empty source": "datasources: [null]",
	}
	ended, end := context.WithCancel(t.Context())
	end() // What is not rejected must not serve for ever either.
	for name, content := range cases {
		t.Run(name, func(t *testing.T) {
			provision(t, content)
			if err := run(ended, nil); err == nil || !strings.Contains(err.Error(), "provisioning: ") {
				t.Errorf("error: %v", err)
			}
		})
	}
	t.Run("a value and a file", func(t *testing.T) {
		t.Setenv("GF_SECURITY_ADMIN_USER", "a")
		t.Setenv("GF_SECURITY_ADMIN_USER__FILE", "b")
		if err := run(ended, nil); err == nil || !strings.Contains(err.Error(), "exclude each other") {
			t.Errorf("error: %v", err)
		}
	})
}

func TestShutdownLetsRequestsFinish(t *testing.T) {
	reached, release := make(chan struct{}), make(chan struct{})
	source := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(reached)
		<-release
		_, _ = io.WriteString(w, "late")
	}))
	defer source.Close()
	t.Setenv("GF_SECURITY_ADMIN_PASSWORD", "right")
	provision(t, fmt.Sprintf("datasources: [{name: p, uid: p, type: prometheus, url: '%s'}]", source.URL))
	ctx, stop := context.WithCancel(t.Context())
	address, ended, answered := make(chan net.Addr, 1), make(chan error, 1), make(chan string, 1)
	go func() { ended <- run(ctx, func(found net.Addr) { address <- found }) }()
	base := "http://" + (<-address).String()
	go func() {
		_, _, body := ask(t, "GET", base+"/api/datasources/proxy/uid/p/slow", "right", "")
		answered <- body
	}()
	select {
	case <-reached:
	case body := <-answered:
		t.Fatalf("the request did not reach the data source: %s", body)
	}
	stop()
	select {
	case err := <-ended:
		t.Fatalf("ended before the request did: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	close(release)
	if body := <-answered; body != "late" {
		t.Errorf("answer: %q", body)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
