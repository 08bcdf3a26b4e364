// Dying passes two failure points three times and says so.
package main

import (
	"fmt"

	"github.com/cdcsync/cdcsync/internal/failpoint"
)

func main() {
	for i := range 3 {
		failpoint.Hit("loop.begin")
		fmt.Println("in", i+1)
		failpoint.Hit("loop.end")
	}
	fmt.Println("done")
}
