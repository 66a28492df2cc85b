package main

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"time"
)

const substituteText = "This is the lab's substitute for Grafana: it serves the provisioned data sources and has no user interface."

// The longest that a question to a data source may take.
const queryTimeout = 30 * time.Second

// server answers the part of Grafana's HTTP API that is about data sources.
type server struct {
	user, password string
	sources        []*dataSource
	client         http.Client
}

// handler routes a request. Every answer carries the header X-Substitute, also one that comes from a data source.
func (s *server) handler() http.Handler {
	routes := http.NewServeMux()
	routes.HandleFunc("GET /api/health", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]any{"database": "ok", "version": "0.0.0", "substitute": "grafana", "message": substituteText})
	})
	routes.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "Ok") })
	routes.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		_, _ = io.WriteString(w, "# TYPE grafana_substitute_up gauge\ngrafana_substitute_up 1\n")
	})
	routes.HandleFunc("GET /login", login)
	routes.Handle("GET /{$}", http.RedirectHandler("/login", http.StatusFound))
	routes.Handle("GET /api/datasources", s.authenticated(s.list))
	routes.Handle("GET /api/datasources/uid/{uid}", s.authenticated(s.withSource(s.show)))
	routes.Handle("GET /api/datasources/uid/{uid}/health", s.authenticated(s.withSource(s.health)))
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		routes.Handle(method+" /api/datasources/proxy/uid/{uid}/{path...}", s.authenticated(s.withSource(s.proxy)))
	}
	routes.Handle("/api/", s.authenticated(func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusNotFound, map[string]string{"message": "Not found. " + substituteText})
	}))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Substitute", "grafana")
		routes.ServeHTTP(w, r)
	})
}

func login(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = fmt.Fprintf(w, `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Substitute for Grafana</title></head>
<body><h1>Substitute for Grafana</h1><p>%s</p><p>With basic authentication: <a href="/api/datasources">data sources</a>.</p></body>
</html>
`, substituteText)
}

// authenticated lets only the administrator through, by basic authentication.
func (s *server) authenticated(next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, given := r.BasicAuth()
		right := subtle.ConstantTimeCompare([]byte(user), []byte(s.user)) & subtle.ConstantTimeCompare([]byte(password), []byte(s.password))
		switch {
		case !given:
			writeJSON(w, http.StatusUnauthorized, map[string]string{"message": "Unauthorized"})
		case right == 0:
			writeJSON(w, http.StatusUnauthorized, map[string]string{"message": "Invalid username or password"})
		default:
			next(w, r)
		}
	})
}

// withSource looks up the data source whose uid the path names.
func (s *server) withSource(next func(http.ResponseWriter, *http.Request, *dataSource)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		for _, source := range s.sources {
			if source.UID == r.PathValue("uid") {
				next(w, r, source)
				return
			}
		}
		writeJSON(w, http.StatusNotFound, map[string]string{"message": "Data source not found"})
	}
}

func (s *server) list(w http.ResponseWriter, _ *http.Request) {
	all := make([]map[string]any, 0, len(s.sources))
	for position, source := range s.sources {
		all = append(all, source.describe(position+1))
	}
	writeJSON(w, http.StatusOK, all)
}

func (s *server) show(w http.ResponseWriter, _ *http.Request, source *dataSource) {
	for position, other := range s.sources {
		if other == source {
			writeJSON(w, http.StatusOK, source.describe(position+1))
		}
	}
}

// describe gives a data source as Grafana's API shows it: of secrets only the names.
func (d *dataSource) describe(id int) map[string]any {
	secrets := map[string]bool{}
	for name := range d.SecureJSONData {
		secrets[name] = true
	}
	settings := d.JSONData
	if settings == nil {
		settings = map[string]any{}
	}
	return map[string]any{
		"id": id, "uid": d.UID, "orgId": d.OrgID, "name": d.Name, "type": d.Type, "access": d.Access, "url": d.URL, "isDefault": d.IsDefault,
		"basicAuth": d.BasicAuth, "basicAuthUser": d.BasicAuthUser, "readOnly": !d.Editable, "jsonData": settings, "secureJsonFields": secrets,
	}
}

// health asks the data source a question that it can only answer when it works, as Grafana's own health check does.
func (s *server) health(w http.ResponseWriter, r *http.Request, source *dataSource) {
	ctx, cancel := context.WithTimeout(r.Context(), queryTimeout)
	defer cancel()
	if err := s.query(ctx, source); err != nil {
		slog.Warn("data source is not healthy", "uid", source.UID, "error", err)
		writeJSON(w, http.StatusBadRequest, map[string]string{"status": "ERROR", "message": err.Error()})
		return
	}
	writeJSON(w, http.StatusOK, map[string]string{"status": "OK", "message": "Successfully queried " + source.Name + "."})
}

// query sends a constant expression to a data source and returns an error unless a vector or a scalar comes back.
func (s *server) query(ctx context.Context, source *dataSource) error {
	var path, expression string
	switch source.Type {
	case "prometheus":
		path, expression = "/api/v1/query", "1+1"
	case "loki":
		path, expression = "/loki/api/v1/query", "vector(1)+vector(1)"
	default:
		return fmt.Errorf("the substitute cannot query a data source of type %q", source.Type)
	}
	address := source.base.JoinPath(path)
	address.RawQuery = url.Values{"query": {expression}}.Encode()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address.String(), nil)
	if err != nil {
		return err
	}
	source.authorize(request)
	response, err := s.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %s: %.300s", source.URL, response.Status, body)
	}
	var answer struct{ Status string }
	if err := json.Unmarshal(body, &answer); err != nil || answer.Status != "success" {
		return fmt.Errorf("%s did not answer as a data source of type %s does: %.300s", source.URL, source.Type, body)
	}
	return nil
}

// proxy passes a request on to the data source, without the caller's own credentials.
func (s *server) proxy(w http.ResponseWriter, r *http.Request, source *dataSource) {
	ctx, cancel := context.WithTimeout(r.Context(), queryTimeout)
	defer cancel()
	forward := httputil.ReverseProxy{
		Transport: s.client.Transport,
		Rewrite: func(request *httputil.ProxyRequest) {
			// The escaped path, so that a label's value may contain a slash: /api/datasources/proxy/uid/UID/rest
			target := source.base.JoinPath(strings.SplitN(request.In.URL.EscapedPath(), "/", 7)[6])
			target.RawQuery = request.In.URL.RawQuery
			request.Out.URL = target
			request.Out.Host = ""
			request.Out.Header.Del("Authorization")
			request.Out.Header.Del("Cookie")
			source.authorize(request.Out)
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			slog.Warn("data source did not answer", "uid", source.UID, "error", err)
			writeJSON(w, http.StatusBadGateway, map[string]string{"message": "Bad Gateway: " + err.Error()})
		},
	}
	forward.ServeHTTP(w, r.WithContext(ctx))
}

// authorize adds what the provisioning says that this data source wants to see: header N (a tenant, say) for each
// pair httpHeaderNameN in jsonData and httpHeaderValueN in secureJsonData, and basic authentication.
func (d *dataSource) authorize(request *http.Request) {
	for key, name := range d.JSONData {
		if number, isHeader := strings.CutPrefix(key, "httpHeaderName"); isHeader {
			request.Header.Set(fmt.Sprint(name), d.SecureJSONData["httpHeaderValue"+number])
		}
	}
	if d.BasicAuth {
		request.SetBasicAuth(d.BasicAuthUser, d.SecureJSONData["basicAuthPassword"])
	}
}

func writeJSON(w http.ResponseWriter, status int, content any) {
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(content)
}
