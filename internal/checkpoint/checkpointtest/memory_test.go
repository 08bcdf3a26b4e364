package checkpointtest

import "testing"

func TestMemory(t *testing.T) {
	Run(t, func(T) World { return &Memory{} })
}
