module observability.stack/programs

go 1.26

require go.yaml.in/yaml/v3 v3.0.5

require gopkg.in/ini.v1 v1.67.3
