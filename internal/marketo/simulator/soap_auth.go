package simulator

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/hex"
	"regexp"
	"time"
)

// w3cSeconds is the one form of timestamp Marketo's documentation shows:
// seconds, and a numeric offset with a colon.
var w3cSeconds = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d$`)

// authenticate reads the AuthenticationHeader and checks its signature: the
// lower-case hex HMAC-SHA1, keyed with the secret, of timestamp and user.
func (p *soapParser) authenticate() *fault {
	if f := p.into(mktowsSpace, "AuthenticationHeader"); f != nil {
		return f
	}
	var fields [3]string
	for i, name := range [...]string{"mktowsUserId", "requestSignature", "requestTimestamp"} {
		text, f := p.required(name)
		if f != nil {
			return f
		}
		fields[i] = text
	}
	for _, name := range [...]string{"audit", "mode"} {
		if _, f := p.optional(name); f != nil {
			return f
		}
	}
	if f := p.leave(); f != nil {
		return f
	}
	return p.sim.checkSignature(fields[0], fields[1], fields[2])
}

func (s *Simulator) checkSignature(user, signature, timestamp string) *fault {
	mac := hmac.New(sha1.New, []byte(s.opts.SecretKey))
	mac.Write([]byte(timestamp + user))
	wanted := hex.EncodeToString(mac.Sum(nil))
	at, err := time.Parse(time.RFC3339, timestamp)
	if user != s.opts.UserID || err != nil || !w3cSeconds.MatchString(timestamp) ||
		!hmac.Equal([]byte(signature), []byte(wanted)) {
		return &fault{code: "20014", message: "Authentication failed"}
	}
	if skew := s.opts.Skew; skew > 0 && time.Since(at).Abs() > skew {
		return &fault{code: "20016", message: "Request expired"}
	}
	return nil
}
