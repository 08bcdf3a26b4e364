// Package leak makes secrets that can be told from all other text, and
// connection strings that are wrong in every way people get them wrong, for
// tests that look for parts of a secret in what a program shows.
package leak

import (
	"math/rand/v2"
	"strings"
)

const (
	// No word of an error has four of these in a row.
	letters  = "QXZJKVWYGHB0123456789"
	specials = "@:/?#%&=+ '\"\\{}[],!*|>`$~^;.-_()<\t"
	// part is the least number of characters that counts as a part.
	part = 4
)

// Secret returns a secret: letters, digits, and often special characters.
func Secret(random *rand.Rand) string {
	var b strings.Builder
	if random.IntN(4) == 0 {
		b.WriteByte(specials[random.IntN(len(specials))])
	}
	for b.Len() < 8+random.IntN(16) {
		for range 2 + random.IntN(4) {
			b.WriteByte(letters[random.IntN(len(letters))])
		}
		if random.IntN(3) > 0 {
			b.WriteByte(specials[random.IntN(len(specials))])
		}
	}
	return b.String()
}

// Part returns a part of secret that text has; "" when it has none. One without
// a letter does not count: ports, lines and columns are numbers, too.
func Part(text, secret string) string {
	runes := []rune(secret)
	for i := 0; i+part <= len(runes); i++ {
		piece := string(runes[i : i+part])
		if strings.ContainsAny(piece, letters[:11]) && strings.Contains(text, piece) {
			return piece
		}
	}
	return ""
}

// forms are connection strings around a secret §.
var forms = []string{
	"postgres://cdc:§@host/db", "postgres://cdc:§@host:5432/db?sslmode=require", "postgres://cdc:§@a:1,b:2/db",
	"postgres://cdc:§@[::1]/db", "postgres://host/db?user=cdc&password=§", "postgres://cdc:§@host/db?foo=bar", "postgres://cdc:§@/db?host=/tmp",
	"postgres://cdc:§@host", "postgres://cdc:§@host:x/db", "postgres://cdc:§@host/db?sslmode=§", "POSTGRES://cdc:§@host/db",
	"postgres:/cdc:§@host/db", "postgres//cdc:§@host/db", "cdc:§@host/db", "jdbc:postgresql://host/db?user=cdc&password=§",
	"mysql://cdc:§@host/db", "postgresql+asyncpg://cdc:§@host/db", "http://cdc:§@host", "DATABASE_URL=postgres://cdc:§@host/db",
	"'postgres://cdc:§@host/db'", "\"postgres://cdc:§@host/db\"", "'postgres://cdc:§@host/db", " postgres://cdc:§@host/db\n",
	"host=host user=cdc password=§", "password=§ host=host", "host=host password='§' user=cdc", "host=host password='§", "host=host password = § dbname=db",
	"host=host;user=cdc;password=§", "Host=host;Username=cdc;Password=§;Database=db", "host=host user=cdc password=§ foo=bar",
	"host=host, user=cdc, password=§", "user=cdc,password=§", "host=cdc:§@host", "host=host user=cdc sslpassword=§ search_path=x", "§", "§=", "password §",
	"host=host user=cdc password=§ connect_timeout=soon", "postgres://cdc:§@host/db?connect_timeout=soon", "host=host port=§",
	"postgres://cdc:§@host/db?port=§", "postgres://cdc:§@host/db?hostaddr=§", "host=a,b port=1,2,3 password=§",
}

// ConnectionString puts secret into one of the forms.
func ConnectionString(random *rand.Rand, secret string) string {
	return strings.ReplaceAll(forms[random.IntN(len(forms))], "§", secret)
}
