package conninfo

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/jackc/pgservicefile"
)

// Resolve is Parse with what the environment and the service file say where
// the string says nothing, in libpq's order: the string, the service, the
// variables. getenv finds a variable, as os.LookupEnv does.
func Resolve(text string, getenv func(string) (string, bool)) (Info, error) {
	given, err := Parse(text)
	if err != nil {
		return Info{}, err
	}
	all := Info{values: map[string]value{}}
	for name, k := range keywords {
		if k.env == "" {
			continue
		}
		if text, ok := getenv(k.env); ok && text != "" {
			if name == "requiressl" {
				if text != "1" {
					continue
				}
				name, text = "sslmode", "require"
				if all.Has(name) {
					continue
				}
			}
			all.values[name] = value{text, "the variable " + k.env}
		}
	}
	variables := maps.Clone(all.values)
	maps.Copy(all.values, given.values)
	if all.Get("service") != "" {
		service, err := all.readService(getenv)
		if err != nil {
			return Info{}, err
		}
		all.values = variables
		maps.Copy(all.values, service)
		maps.Copy(all.values, given.values)
	}
	all.reconcile(given)
	if err := all.check(); err != nil {
		return Info{}, err
	}
	return all, nil
}

// reconcile drops lists of the environment that belong to hosts other than
// those of the string.
func (i *Info) reconcile(given Info) {
	if given.Has("host") && !given.Has("hostaddr") {
		delete(i.values, "hostaddr")
	}
	if given.Has("hostaddr") && !given.Has("host") {
		delete(i.values, "host")
	}
}

// serviceFile is the key word of the file that a service is read from.
const serviceFile = "servicefile"

// readService reads the settings of the service.
func (i *Info) readService(getenv func(string) (string, bool)) (map[string]value, error) {
	service := i.Get("service")
	var looked []string
	for _, path := range i.serviceFiles(getenv) {
		file, err := pgservicefile.ReadServicefile(path)
		switch {
		case errors.Is(err, fs.ErrNotExist) && i.Get(serviceFile) == "":
			continue
		case errors.Is(err, fs.ErrNotExist):
			return nil, fmt.Errorf("the service file %s does not exist; correct PGSERVICEFILE or create it", path)
		case errors.Is(err, fs.ErrPermission):
			return nil, fmt.Errorf("the service file %s may not be read by this user; correct its owner or mode", path)
		case err != nil:
			return nil, fmt.Errorf("the service file %s is not [service] and name=value lines; correct it", path)
		}
		looked = append(looked, path)
		found, err := file.GetService(service)
		if err != nil {
			continue
		}
		i.values[serviceFile] = value{text: path}
		return i.fromService(found.Settings, path)
	}
	where := "and there is no service file (~/.pg_service.conf, PGSERVICEFILE)"
	if len(looked) > 0 {
		where = "which is not in " + strings.Join(looked, ", ")
	}
	return nil, fmt.Errorf("names a service, %s; correct the name or add the service", where)
}

func (i *Info) fromService(settings map[string]string, path string) (map[string]value, error) {
	values := map[string]value{serviceFile: {text: path}}
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		word := name
		if _, known := keywords[word]; !known || word == "service" {
			return nil, fmt.Errorf("the service file %s %w", path, unknown(word, 0, true))
		}
		values[word] = value{settings[name], word + " in the service file"}
	}
	return values, nil
}

// serviceFiles lists where the service may be: the one file that was named,
// or that of the user and that of the system.
func (i *Info) serviceFiles(getenv func(string) (string, bool)) []string {
	if named := i.Get(serviceFile); named != "" {
		return []string{named}
	}
	var files []string
	if home, err := os.UserHomeDir(); err == nil {
		files = append(files, filepath.Join(home, ".pg_service.conf"))
	}
	if directory, ok := getenv("PGSYSCONFDIR"); ok && directory != "" {
		return append(files, filepath.Join(directory, "pg_service.conf"))
	}
	return append(files, "/etc/postgresql-common/pg_service.conf", "/etc/sysconfig/pgsql/pg_service.conf")
}
