package simulation

import "github.com/cdcsync/cdcsync/internal/delivery"

// checkWait asks, now and then, what somebody would be told who waits for a
// commit, and holds a yes against what is so. Where and for what it asks is no
// matter of the run's own dice: a run is the same without it.
func (s *Simulator) checkWait() {
	dice := mix(s.options.Seed ^ uint64(s.steps)<<20)
	if dice%64 != 0 || !s.process.alive() {
		return
	}
	place := delivery.Place{LSN: firstLSN + LSN(dice>>8)%(s.walEnd-firstLSN+20), Timeline: 1}
	if n := uint64(len(s.txs)); dice&64 != 0 && n > 0 {
		place.LSN = s.txs[(dice>>8)%n].end
	}
	report := s.process.machine.Report(s.time())
	report.Source.Connected, report.Source.Timeline = s.reader.connected, 1
	if s.plant.received {
		report.Settled = s.reader.received
	}
	if report.Reached(place) != delivery.Reached {
		s.covered.WaitsOn++
		return
	}
	s.covered.WaitsOver++
	if place.LSN > s.walEnd {
		s.fail("wait", "%s is said to be in Marketo, the WAL ends at %s", place.LSN, s.walEnd)
	}
	if int(s.low) < len(s.changes) && place.LSN >= s.end(s.low) {
		s.fail("wait", "all before %s is said to be in Marketo, but change %d of %s is not settled", place.LSN, s.low, s.end(s.low))
	}
}

// mix makes a number that has nothing to do with its neighbours'.
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
