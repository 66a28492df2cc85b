// Command network-policies computes which connections a set of network policies allows, by the matcher of Cyclonus: an implementation
// of the semantics that shares no code with this repository.
//
// It reads policies, pods and queries as JSON from the standard input and writes one boolean for each query. Input that the matcher
// would judge in another way than Kubernetes does is an error, with status 1.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
)

func main() {
	if err := run(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(in io.Reader, out io.Writer) error {
	var question Question
	decoder := json.NewDecoder(in)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&question); err != nil {
		return err
	}
	answers, err := question.Answers()
	if err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(answers)
}
