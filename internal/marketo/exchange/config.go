package exchange

import (
	"context"
	"net/http"
	"time"
)

// Config is what a client needs, whichever API it speaks.
type Config struct {
	// Endpoint is the address of the API, such as
	// https://123-ABC-456.mktoapi.com/soap/mktows/2_3 or
	// https://123-ABC-456.mktorest.com; http is allowed to a loopback address only.
	Endpoint string
	// User is Marketo's mktowsUserId, or over REST the client id of a LaunchPoint
	// service.
	User string
	// ID, when set, returns that in place of User. Like Secret it is asked for each
	// attempt over SOAP, and for each token over REST.
	ID func() (string, error)
	// Secret returns the secret key, or the client secret. It is asked again and
	// again, so that one that was replaced is used without a restart.
	Secret func() (string, error)
	// Timeout bounds a whole call, the reply's body included, and likewise the
	// token call that may precede it. Zero means DefaultTimeout.
	Timeout time.Duration
	// ReplyLimit bounds a reply's body after decompression, in bytes. Zero
	// means DefaultReplyLimit.
	ReplyLimit int
	// Admit, when set, is asked before each counted call but those of Sync, which
	// whoever calls Sync counts. Its error says why there is to be none.
	Admit func(ctx context.Context) error
	// UserAgent is sent with each call; empty means DefaultUserAgent.
	UserAgent string
	// Transport makes the HTTP exchange. Nil means one of our own. It must
	// not repeat requests, and tell their httptrace what http.Transport does.
	Transport http.RoundTripper
	// Now is the clock of tokens and signatures; nil means time.Now.
	Now func() time.Time
}

// Identity returns ID, or what stands for it.
func (c Config) Identity() func() (string, error) {
	if c.ID != nil {
		return c.ID
	}
	return func() (string, error) { return c.User, nil }
}
