package sqlite_test

import (
	"errors"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"unsafe"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/cdcsync/cdcsync/internal/checkpoint/sqlite"
)

// disk is what SQLite's files in a directory go through: it knows which of what
// was written has been synced, and has accidents.
type disk struct {
	mu    sync.Mutex
	dir   string
	files map[string]*diskFile // by path
	// dead has it take nothing any more, in this life; budget writes and syncs are
	// left before that when it is limited.
	dead, limited bool
	budget        int
	full, failing bool
}

// diskFile is what a loss of power leaves of a file, and what was written since.
type diskFile struct {
	durable []byte
	pending []diskWrite
}

// diskWrite puts data at an offset; without data it cuts the file there. A lost
// one was to be synced when that failed, and no later sync makes up for it.
type diskWrite struct {
	data []byte
	at   int64
	lost bool
}

func (w diskWrite) apply(b []byte) []byte {
	end := int(w.at) + len(w.data)
	if w.data == nil {
		b = b[:min(end, len(b))]
	}
	if len(b) < end {
		b = append(b, make([]byte, end-len(b))...)
	}
	copy(b[w.at:], w.data)
	return b
}

// takes reports whether the disk takes one more write or sync.
func (d *disk) takes() bool {
	if d.limited && d.budget == 0 {
		d.dead = true
	}
	d.budget--
	return !d.dead
}

func (d *disk) write(path string, w diskWrite) int32 {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch f := d.files[path]; {
	case !d.takes():
		return sqlite3.SQLITE_IOERR_WRITE
	case d.full && w.data != nil:
		return sqlite3.SQLITE_FULL
	default:
		f.pending = append(f.pending, w)
	}
	return sqlite3.SQLITE_OK
}

func (d *disk) sync(path string) int32 {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := d.files[path]
	switch {
	case !d.takes():
		return sqlite3.SQLITE_IOERR
	case d.failing:
		d.failing = false
		for i := range f.pending {
			f.pending[i].lost = true
		}
		return sqlite3.SQLITE_IOERR_FSYNC
	}
	// What was lost is cached, but never on the disk.
	kept := f.pending[:0]
	for _, w := range f.pending {
		if w.lost {
			kept = append(kept, w)
		} else {
			f.durable = w.apply(f.durable)
		}
	}
	f.pending = kept
	return sqlite3.SQLITE_OK
}

// writtenAnew is told of a file that was written and synced once more beside
// SQLite.
func (d *disk) writtenAnew(path string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if b, err := os.ReadFile(path); err == nil {
		d.files[path] = &diskFile{durable: b}
	}
}

// cut is a loss of power: of what was not synced, any part is there.
func (d *disk) cut(rng *rand.Rand) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, path := range slices.Sorted(maps.Keys(d.files)) {
		f := d.files[path]
		b := slices.Clone(f.durable)
		share := rng.IntN(4)
		for _, w := range f.pending {
			if rng.IntN(3) >= share {
				continue
			}
			if n := len(w.data) / 512; n > 1 && rng.IntN(8) == 0 {
				w.data = w.data[:512*(1+rng.IntN(n-1))] // torn between sectors
			}
			b = w.apply(b)
		}
		if err := os.WriteFile(path, b, 0o600); err != nil {
			return err
		}
	}
	d.files = map[string]*diskFile{}
	left, err := filepath.Glob(filepath.Join(d.dir, "*-shm"))
	for _, path := range left {
		err = errors.Join(err, os.Remove(path))
	}
	return err
}

// disks are those of all tests, by their directories.
var disks sync.Map

func diskOf(path string) *disk {
	if d, ok := disks.Load(filepath.Dir(path)); ok {
		return d.(*disk)
	}
	return nil
}

// useDisks has SQLite's default way to files go through disks, where there is one
// for a directory.
var useDisks = sync.OnceFunc(func() {
	sqlite.OnLogWrittenAnew(func(path string) {
		if d := diskOf(path); d != nil {
			d.writtenAnew(path)
		}
	})
	tls := libc.NewTLS()
	under := sqlite3.Xsqlite3_vfs_find(tls, 0)
	over := libc.Xmalloc(tls, libc.Tsize_t(unsafe.Sizeof(sqlite3.Tsqlite3_vfs{})))
	vfs := at[sqlite3.Tsqlite3_vfs](over)
	*vfs = *at[sqlite3.Tsqlite3_vfs](under)
	name, err := libc.CString("disks")
	if err != nil {
		panic(err)
	}
	open, remove := vfs.FxOpen, vfs.FxDelete
	vfs.FzName, vfs.FpNext = name, 0
	vfs.FxOpen = address(func(tls *libc.TLS, _, name, file uintptr, flags int32, out uintptr) int32 {
		rc := function[func(*libc.TLS, uintptr, uintptr, uintptr, int32, uintptr) int32](open)(tls, under, name, file, flags, out)
		if path := libc.GoString(name); rc == sqlite3.SQLITE_OK && diskOf(path) != nil {
			watch(tls, file, path)
		}
		return rc
	})
	vfs.FxDelete = address(func(tls *libc.TLS, _, name uintptr, sync int32) int32 {
		path := libc.GoString(name)
		if d := diskOf(path); d != nil {
			d.mu.Lock()
			defer d.mu.Unlock()
			if d.dead {
				return sqlite3.SQLITE_IOERR_DELETE
			}
			delete(d.files, path)
		}
		return function[func(*libc.TLS, uintptr, uintptr, int32) int32](remove)(tls, under, name, sync)
	})
	if rc := sqlite3.Xsqlite3_vfs_register(tls, over, 1); rc != sqlite3.SQLITE_OK {
		panic("vfs")
	}
})

// paths has the path of each open file of a disk, by its address.
var paths sync.Map

// methods has, by the address of a kind of file's methods, that of those that go
// through disks.
var methods sync.Map

// watch has a file that is open now go through its disk.
func watch(tls *libc.TLS, file uintptr, path string) {
	d := diskOf(path)
	d.mu.Lock()
	if d.files[path] == nil {
		b, err := os.ReadFile(path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			panic(err)
		}
		d.files[path] = &diskFile{durable: b}
	}
	d.mu.Unlock()
	paths.Store(file, path)
	f := at[sqlite3.Tsqlite3_file](file)
	over, ok := methods.Load(f.FpMethods)
	if !ok {
		over = through(tls, f.FpMethods)
		methods.Store(f.FpMethods, over)
	}
	f.FpMethods = over.(uintptr)
}

// through makes methods that go through disks of those under them.
func through(tls *libc.TLS, under uintptr) uintptr {
	made := libc.Xmalloc(tls, libc.Tsize_t(unsafe.Sizeof(sqlite3.Tsqlite3_io_methods{})))
	over := at[sqlite3.Tsqlite3_io_methods](made)
	*over = *at[sqlite3.Tsqlite3_io_methods](under)
	write := function[func(*libc.TLS, uintptr, uintptr, int32, int64) int32](over.FxWrite)
	truncate := function[func(*libc.TLS, uintptr, int64) int32](over.FxTruncate)
	over.FxWrite = address(func(tls *libc.TLS, file, data uintptr, n int32, offset int64) int32 {
		path := pathOf(file)
		b := slices.Clone(unsafe.Slice(at[byte](data), n))
		if rc := diskOf(path).write(path, diskWrite{data: b, at: offset}); rc != sqlite3.SQLITE_OK {
			return rc
		}
		return write(tls, file, data, n, offset)
	})
	over.FxTruncate = address(func(tls *libc.TLS, file uintptr, size int64) int32 {
		path := pathOf(file)
		if rc := diskOf(path).write(path, diskWrite{at: size}); rc != sqlite3.SQLITE_OK {
			return rc
		}
		return truncate(tls, file, size)
	})
	over.FxSync = address(func(_ *libc.TLS, file uintptr, _ int32) int32 {
		path := pathOf(file)
		return diskOf(path).sync(path) // what survives is decided there
	})
	return made
}

func pathOf(file uintptr) string {
	path, _ := paths.Load(file)
	return path.(string)
}

// at is the object at an address of SQLite's.
func at[T any](address uintptr) *T { return *(**T)(unsafe.Pointer(&address)) }

// address is what SQLite calls f by, function what is called by an address.
func address(f any) uintptr {
	called = append(called, f)
	return (*(*[2]uintptr)(unsafe.Pointer(&f)))[1]
}

// called keeps what SQLite has the addresses of.
var called []any

func function[F any](address uintptr) F { return *(*F)(unsafe.Pointer(&address)) }
