package checkpoint

import "strings"

// At names the state file that was looked at, and the configuration file, in what
// a refusal says. A path from the root is best: people read it elsewhere.
func (d Decision) At(path, config string) Decision {
	if d.Refusal == nil {
		return d
	}
	named := *d.Refusal
	named.Reason = strings.Replace(named.Reason, "the state file", "the state file "+path, 1)
	named.Remedy = strings.Replace(named.Remedy, "where `state` says", "as "+path, 1)
	if span := named.Span; span != nil {
		named.Remedy = strings.Replace(named.Remedy, span.Command(""), span.Command(config), 1)
	}
	d.Refusal = &named
	return d
}
