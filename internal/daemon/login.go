package daemon

import (
	"github.com/cdcsync/cdcsync/internal/admin"
	"github.com/cdcsync/cdcsync/internal/config"
)

// login is what is configured for who may act. The files are read each time, as
// they may change: with no users any more, a web configuration is no login.
func login(c config.HTTP) admin.Login {
	var l admin.Login
	if c.TokenFile.IsSet() {
		l.Token = c.TokenFile.Reveal
	}
	if c.WebConfig != "" {
		l.Before = func() bool {
			w, err := config.ReadWeb(c.WebConfig)
			return err == nil && w.Users
		}
	}
	return l
}
