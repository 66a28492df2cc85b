package main

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// dataSource is one provisioned data source, with the field names of Grafana's provisioning files.
type dataSource struct {
	Name           string            `yaml:"name"`
	UID            string            `yaml:"uid"`
	Type           string            `yaml:"type"`
	URL            string            `yaml:"url"`
	Access         string            `yaml:"access"`
	OrgID          int64             `yaml:"orgId"`
	IsDefault      bool              `yaml:"isDefault"`
	Editable       bool              `yaml:"editable"`
	BasicAuth      bool              `yaml:"basicAuth"`
	BasicAuthUser  string            `yaml:"basicAuthUser"`
	JSONData       map[string]any    `yaml:"jsonData"`
	SecureJSONData map[string]string `yaml:"secureJsonData"`

	base *url.URL // URL, parsed
}

// loadDataSources reads datasources/*.yaml and *.yml below a provisioning directory, in the order of their names.
//
// Like Grafana it expands variables in values, gives a data source without a uid one that follows from its name,
// and rejects what it could not serve: the error names the file and the data source.
func loadDataSources(directory string) ([]*dataSource, error) {
	var files []string
	for _, pattern := range []string{"*.yaml", "*.yml"} {
		found, err := filepath.Glob(filepath.Join(directory, "datasources", pattern))
		if err != nil {
			return nil, err
		}
		files = append(files, found...)
	}
	slices.Sort(files)

	var all []*dataSource
	for _, file := range files {
		sources, err := readFile(file)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		all = append(all, sources...)
	}
	return all, check(all)
}

func readFile(path string) ([]*dataSource, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil {
		return nil, err
	}
	if err := expandValues(&document); err != nil {
		return nil, err
	}
	var content struct {
		DataSources []*dataSource `yaml:"datasources"`
	}
	if err := document.Decode(&content); err != nil {
		return nil, err
	}
	for position, source := range content.DataSources {
		if source == nil || source.Name == "" || source.Type == "" {
			return nil, fmt.Errorf("data source %d needs a name and a type", position+1)
		}
		if err := source.complete(); err != nil {
			return nil, fmt.Errorf("data source %q: %w", source.Name, err)
		}
	}
	return content.DataSources, nil
}

// complete fills in Grafana's defaults and parses the address.
func (d *dataSource) complete() error {
	if d.UID == "" {
		sum := sha256.Sum256([]byte(d.Name))
		d.UID = fmt.Sprintf("P%X", sum[:8])
	}
	if d.Access == "" {
		d.Access = "proxy"
	}
	if d.OrgID == 0 {
		d.OrgID = 1
	}
	base, err := url.Parse(d.URL)
	if err != nil {
		return err
	}
	if (base.Scheme != "http" && base.Scheme != "https") || base.Host == "" {
		return fmt.Errorf("url %q is not an http(s) address", d.URL)
	}
	if base.Path == "" {
		base.Path = "/" // What is joined to an empty path would be relative.
	}
	d.base = base
	return nil
}

func check(all []*dataSource) error {
	uids, names, defaults := map[string]bool{}, map[string]bool{}, 0
	for _, source := range all {
		if uids[source.UID] {
			return fmt.Errorf("two data sources have the uid %q", source.UID)
		}
		if names[source.Name] {
			return fmt.Errorf("two data sources have the name %q", source.Name)
		}
		uids[source.UID], names[source.Name] = true, true
		if source.IsDefault {
			defaults++
		}
	}
	if defaults > 1 {
		return errors.New("only one data source can be the default one")
	}
	return nil
}

// expandValues replaces variables in every scalar value, after parsing, so that what a variable holds is never taken for YAML.
// Keys stay as they are.
func expandValues(node *yaml.Node) error {
	if node.Kind == yaml.ScalarNode {
		value, err := expand(node.Value)
		if err != nil {
			return err
		}
		if value != node.Value && node.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) == 0 {
			node.Tag = "" // `isDefault: $FLAG` is a boolean once the variable is in place.
		}
		node.Value = value
		return nil
	}
	for position, child := range node.Content {
		if node.Kind == yaml.MappingNode && position%2 == 0 {
			continue
		}
		if err := expandValues(child); err != nil {
			return err
		}
	}
	return nil
}

var variable = regexp.MustCompile(`\$\$|\$__(env|file)\{([^}]*)\}|\$(\w+)|\$\{(\w+)\}`)

// expand replaces $VAR, ${VAR}, $__env{VAR} and $__file{path} in one value, in one pass; $$ is a dollar sign.
// An undefined variable is empty, as it is in Grafana; a file that cannot be read is an error.
func expand(value string) (string, error) {
	var failed error
	expanded := variable.ReplaceAllStringFunc(value, func(match string) string {
		groups := variable.FindStringSubmatch(match)
		switch {
		case match == "$$":
			return "$"
		case groups[1] == "env":
			return os.Getenv(groups[2])
		case groups[1] == "file":
			content, err := os.ReadFile(groups[2])
			failed = errors.Join(failed, err)
			return strings.TrimSpace(string(content))
		}
		return os.Getenv(groups[3] + groups[4])
	})
	return expanded, failed
}
