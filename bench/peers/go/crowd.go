// Goroutines that are all blocked: see ../../task_million.c.
// SPDX-License-Identifier: MIT OR Apache-2.0
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync/atomic"
	"time"
)

// Of /proc/self/statm, in bytes.
func resident() int {
	var all, pages int
	file, err := os.Open("/proc/self/statm")
	if err != nil {
		panic(err)
	}
	defer file.Close()
	fmt.Fscan(file, &all, &pages)
	return pages * os.Getpagesize()
}

func main() {
	count, err := strconv.Atoi(os.Args[1])
	if err != nil {
		panic(err)
	}
	before, began := resident(), time.Now()
	start := make(chan struct{})
	var begun atomic.Int64
	for i := 0; i < count; i++ {
		go func() {
			begun.Add(1)
			<-start
		}()
	}
	for begun.Load() < int64(count) {
		runtime.Gosched()
	}
	took := time.Since(began)
	fmt.Printf("spawn-block %.1f ns\n", float64(took.Nanoseconds())/float64(count))
	fmt.Printf("resident %.0f bytes\n", float64(resident()-before)/float64(count))
}
