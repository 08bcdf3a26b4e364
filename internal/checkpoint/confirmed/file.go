package confirmed

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
)

// file is the pages, from 1 on; page 0 says what they are.
type file struct {
	path  string
	boot  string
	f     *os.File
	pages ref // number of pages, with page 0
	head  head
	index index
	// begun is set once the file says that it is being written.
	begun bool
	// stop, for tests, is asked before each page is written.
	stop func() error
	// err is set when the file is not to be used any more.
	err error
}

// head is page 0, as a JSON text that ends with a line.
type head struct {
	Version  int    `json:"version"`
	Identity string `json:"identity"`
	Secret   string `json:"secret"` // sixteen hexadecimal digits
	// Boot is that of the machine when the file was written last, Clean is set once
	// it was closed in order: then it has Pages pages, and the index behind them.
	Boot    string `json:"boot"`
	Clean   bool   `json:"clean"`
	Pages   uint32 `json:"pages"`
	Nodes   int    `json:"nodes"`
	Sum     uint32 `json:"index_crc32c"`
	Entries int64  `json:"entries"`
	// Number is that of the save for which something was written last.
	Number uint64 `json:"number"`

	secret  uint64
	entries int64
}

const version = 1

// mostPages bounds the file to 4 TiB.
const mostPages = 1 << 30

func openFile(path, identity, boot string) (*file, error) {
	opened, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	f := &file{path: path, boot: boot, f: opened}
	if !f.load(identity) {
		if err := f.empty(identity); err != nil {
			return nil, errors.Join(err, opened.Close())
		}
	}
	return f, nil
}

// load reads what is there; false when it is not to be believed.
func (f *file) load(identity string) bool {
	var p page
	if _, err := f.f.ReadAt(p[:], 0); err != nil {
		return false
	}
	h := &f.head
	if json.NewDecoder(bytes.NewReader(p[:])).Decode(h) != nil || h.Version != version || h.Identity != identity {
		return false
	}
	if _, err := fmt.Sscanf(h.Secret, "%016x", &h.secret); err != nil {
		return false
	}
	h.entries = h.Entries
	if h.Clean {
		return f.loadIndex() == nil
	}
	return h.Boot != "" && h.Boot == f.boot && f.scan() == nil
}

// loadIndex reads the index that an orderly end has left behind the pages.
func (f *file) loadIndex() error {
	h := &f.head
	b := make([]byte, 4*(len(f.index.roots)+2*h.Nodes))
	if h.Nodes < 0 || h.Nodes > mostPages {
		return errors.New("no index")
	}
	if _, err := f.f.ReadAt(b, int64(h.Pages)*pageSize); err != nil {
		return err
	}
	if crc32.Checksum(b, castagnoli) != h.Sum {
		return errors.New("the index is damaged")
	}
	f.index.read(b)
	f.pages = ref(h.Pages)
	return nil
}

// scan makes the index from the pages, after a life that was killed. Pages that
// are not sound lead nowhere, and are not used again.
func (f *file) scan() error {
	info, err := f.f.Stat()
	if err != nil {
		return err
	}
	f.pages = ref(min((info.Size()+pageSize-1)/pageSize, mostPages))
	r := bufio.NewReaderSize(io.NewSectionReader(f.f, pageSize, info.Size()), 1<<20)
	f.head.entries = 0
	var p page
	for number := ref(1); number < f.pages; number++ {
		if _, err := io.ReadFull(r, p[:]); err != nil {
			if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
				break // its last page was being written
			}
			return err
		}
		if p.sound() && p.depth() >= rootBits {
			f.index.put(p.prefix(), p.depth(), number)
			f.head.entries += int64(p.count())
		}
	}
	return nil
}

// begin has the file say, on the disk, that it is being written.
func (f *file) begin() error {
	if f.err != nil || f.begun {
		return f.err
	}
	f.head.Clean, f.head.Boot = false, f.boot
	if err := f.writeHead(); err != nil {
		return err
	}
	if err := f.f.Truncate(int64(f.pages) * pageSize); err != nil { // the index
		return err
	}
	f.begun = true
	return f.f.Sync()
}

func (f *file) writeHead() error {
	b, err := json.Marshal(&f.head)
	if err != nil {
		return err
	}
	if len(b) >= pageSize {
		return errors.New("its identity is too long")
	}
	var p page
	copy(p[:], append(b, '\n'))
	_, err = f.f.WriteAt(p[:], 0)
	return err
}

func (f *file) read(number ref, p *page) error {
	_, err := f.f.ReadAt(p[:], int64(number)*pageSize)
	if errors.Is(err, io.EOF) {
		clear(p[:])
		return nil
	}
	return err
}

func (f *file) write(number ref, p *page) error {
	p.seal()
	if f.stop != nil {
		if err := f.stop(); err != nil {
			return err
		}
	}
	_, err := f.f.WriteAt(p[:], int64(number)*pageSize)
	return err
}

// grow returns the number of a new page.
func (f *file) grow() (ref, error) {
	if f.pages >= mostPages {
		return 0, errors.New("the file is full")
	}
	f.pages++
	return f.pages - 1, nil
}

// empty throws everything away.
func (f *file) empty(identity string) error {
	if f.err != nil {
		return f.err
	}
	var secret [8]byte
	if _, err := rand.Read(secret[:]); err != nil {
		return err
	}
	if err := f.f.Truncate(0); err != nil {
		return err
	}
	n := binary.LittleEndian.Uint64(secret[:])
	f.head = head{Version: version, Identity: identity, Secret: fmt.Sprintf("%016x", n), Boot: f.boot, secret: n}
	f.index, f.pages, f.begun = index{}, 1, false
	return f.begin()
}

// fail has the file used no more after an error, and removes it: it may say of an
// object what is not so any more.
func (f *file) fail(err error) error {
	if f.err == nil {
		f.err = fmt.Errorf("nothing is remembered of objects until the next start: %w", err)
		if gone := os.Remove(f.path); gone != nil && !errors.Is(gone, fs.ErrNotExist) {
			f.err = errors.Join(f.err, gone, f.f.Truncate(0))
		}
	}
	return f.err
}

// close writes the index, and syncs all.
func (f *file) close() error {
	if f.err != nil || !f.begun {
		return f.f.Close()
	}
	b := f.index.append(nil)
	h := &f.head
	h.Clean, h.Pages, h.Nodes, h.Sum, h.Entries = true, uint32(f.pages), len(f.index.nodes), crc32.Checksum(b, castagnoli), h.entries
	_, err := f.f.WriteAt(b, int64(f.pages)*pageSize)
	for _, step := range []func() error{f.f.Sync, f.writeHead, f.f.Sync} {
		if err == nil {
			err = step()
		}
	}
	if err != nil {
		err = f.fail(err)
	}
	return errors.Join(err, f.f.Close())
}
