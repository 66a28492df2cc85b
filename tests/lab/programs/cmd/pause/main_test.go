package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// start compiles pause and runs it, as process 1 of a new process namespace where that is asked for.
func start(t *testing.T, namespace bool) *exec.Cmd {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "pause")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	pause := exec.Command(binary)
	pause.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if namespace {
		pause.SysProcAttr.Cloneflags = syscall.CLONE_NEWPID
	}
	if err := pause.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = pause.Process.Kill()
		_ = pause.Wait()
	})
	return pause
}

// eventually fails the test unless the condition holds within five seconds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if holds() {
			return
		}
	}
	t.Fatalf("not within five seconds: %s", what)
}

// catches tells whether a process has a handler for a signal, from the mask in its status.
func catches(pid int, wanted syscall.Signal) bool {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	_, rest, _ := strings.Cut(string(status), "SigCgt:")
	var mask uint64
	_, _ = fmt.Sscanf(strings.TrimSpace(rest), "%x", &mask)
	return mask&(1<<(wanted-1)) != 0
}

// children returns the states (S, Z, …) of the direct children of a process.
func children(parent int) []string {
	var states []string
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		text, _ := os.ReadFile(path)
		_, rest, _ := strings.Cut(string(text), ") ")
		if fields := strings.Fields(rest); len(fields) > 1 && fields[1] == fmt.Sprint(parent) {
			states = append(states, fields[0])
		}
	}
	return states
}

func TestEndsWithSuccessOnTerm(t *testing.T) {
	pause := start(t, false)
	eventually(t, "pause handles SIGTERM", func() bool { return catches(pause.Process.Pid, syscall.SIGTERM) })
	if err := pause.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := pause.Wait(); err != nil {
		t.Fatalf("after SIGTERM: %v", err)
	}
}

func TestReapsOrphans(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("a process namespace of its own needs root")
	}
	if _, err := exec.LookPath("nsenter"); err != nil {
		t.Skip("nsenter is not installed")
	}
	pause := start(t, true)
	pid := pause.Process.Pid
	eventually(t, "pause handles SIGCHLD", func() bool { return catches(pid, syscall.SIGCHLD) })
	// The shell ends first, so its three children become orphans of the namespace.
	orphans := exec.Command("nsenter", fmt.Sprintf("--pid=/proc/%d/ns/pid", pid), "sh", "-c", "for i in 1 2 3; do sleep 0.5 & done")
	if err := orphans.Run(); err != nil {
		t.Fatalf("nsenter: %v", err)
	}
	eventually(t, "the orphans are children of pause", func() bool { return len(children(pid)) == 3 })
	eventually(t, "no child is left, dead or alive", func() bool { return len(children(pid)) == 0 })
}
