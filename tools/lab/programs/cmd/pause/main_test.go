package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// children counts the direct children of a process, also those that have ended and wait to be reaped.
func children(parent int) int {
	count := 0
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		text, _ := os.ReadFile(path)
		_, rest, _ := strings.Cut(string(text), ") ")
		if fields := strings.Fields(rest); len(fields) > 1 && fields[1] == fmt.Sprint(parent) {
			count++
		}
	}
	return count
}

// eventually fails the test unless the condition holds within ten seconds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if holds() {
			return
		}
	}
	t.Fatalf("not within ten seconds: %s", what)
}

func TestReapsChildrenAndEndsWithSuccessOnTerm(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "pause")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	runtime.LockOSThread() // Pdeathsig goes by the thread that started the process.
	// The shell becomes pause, which so has children that it knows nothing of, as orphans are.
	pause := exec.Command("sh", "-c", `sleep 1 & sleep 1 & sleep 1.5 & exec "$0"`, binary)
	pause.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := pause.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = pause.Process.Kill()
		_ = pause.Wait()
	})
	pid := pause.Process.Pid
	eventually(t, "it has three children", func() bool { return children(pid) == 3 })
	eventually(t, "it has none, dead or alive", func() bool { return children(pid) == 0 })
	if err := pause.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := pause.Wait(); err != nil {
		t.Fatalf("after SIGTERM: %v", err)
	}
}
