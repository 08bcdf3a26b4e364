package page_test

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"os"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// scripts/screenshot has a program run, and names its address and a file.
func TestPictureForTheDocumentation(t *testing.T) {
	url, file := os.Getenv("CDCSYNC_PAGE"), os.Getenv("CDCSYNC_PAGE_PICTURE")
	if url == "" || file == "" {
		t.Skip("scripts/screenshot runs it")
	}
	b := open(t, url, 1200, 1000)
	b.sees("main", "Everything committed", "Mappings")
	b.click("[data-act=span][data-seconds='1800']")
	time.Sleep(2 * time.Second) // an event, and the charts
	data, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
	if err != nil {
		t.Fatal(err)
	}
	picture, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	encoder := png.Encoder{CompressionLevel: png.BestCompression}
	if err := encoder.Encode(&out, few(picture)); err != nil {
		t.Fatal(err)
	}
	if out.Len() > 200<<10 {
		t.Errorf("the picture has %d bytes, want 200 KiB at most", out.Len())
	}
	if err := os.WriteFile(file, out.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	b.quiet()
}

// few is a picture with 256 colours at most: those that it has most of, and for
// others the nearest.
func few(picture image.Image) image.Image {
	count := map[color.RGBA]int{}
	bounds := picture.Bounds()
	at := func(x, y int) color.RGBA {
		return color.RGBAModel.Convert(picture.At(x, y)).(color.RGBA)
	}
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			count[at(x, y)]++
		}
	}
	var palette color.Palette
	for least := 1 << 20; least > 0 && len(palette) < 256; least /= 2 {
		for c, n := range count {
			if n >= least && len(palette) < 256 {
				palette = append(palette, c)
				delete(count, c)
			}
		}
	}
	out := image.NewPaletted(bounds, palette)
	index := map[color.RGBA]uint8{}
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			c := at(x, y)
			i, ok := index[c]
			if !ok {
				i = uint8(palette.Index(c))
				index[c] = i
			}
			out.SetColorIndex(x, y, i)
		}
	}
	return out
}
