package local

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// checkPage checks what of page p's header could be damaged unnoticed: checksums cover what follows a
// header, and where in it the levels end and the values begin is for the header to say.
func (s *segment) checkPage(col, p int) error {
	c := s.chunks[col]
	index, err := c.chunk.OffsetIndex()
	if err != nil {
		return err
	}
	size := index.CompressedPageSize(p)
	if size <= 0 || size > s.size {
		return errors.New("the page's size is impossible")
	}
	page := make([]byte, min(size, readBuffer))
	if _, err := s.file.ReadAt(page, index.Offset(p)); err != nil {
		return err
	}
	var header format.PageHeader
	body := bytes.NewReader(page)
	if err := thrift.NewDecoder(new(thrift.CompactProtocol).NewReader(body)).Decode(&header); err != nil {
		return err
	}
	v2 := &header.DataPageHeaderV2
	n := int(v2.V.DefinitionLevelsByteLength)
	switch {
	case header.Type != format.DataPageV2, !v2.Valid, v2.V.RepetitionLevelsByteLength != 0:
		return errors.New("not a data page of version 2 without repetitions")
	case int64(len(page)-body.Len())+int64(header.CompressedPageSize) != size:
		return errors.New("the page's header and the index differ on its size")
	case c.chunk.Node().Required():
		if n != 0 {
			return errors.New("levels in a required column")
		}
		return nil
	case n < 0 || n > body.Len():
		return errors.New("the page's levels are longer than it")
	}
	return checkLevels(page[len(page)-body.Len():][:n], pageLen(s.n, p))
}

// checkLevels checks that runs of levels of one bit end where the rows end.
func checkLevels(levels []byte, rows int) error {
	for len(levels) > 0 && rows > 0 {
		head, n := binary.Uvarint(levels)
		size, count := 1, head>>1
		if head&1 != 0 {
			size, count = int(min(head>>1, pageRows)), 8*(head>>1)
		}
		if n <= 0 || count == 0 || len(levels) < n+size {
			return errors.New("broken levels")
		}
		rows -= int(min(count, pageRows))
		levels = levels[n+size:]
	}
	if len(levels) > 0 || rows > 0 {
		return fmt.Errorf("levels end %d rows and %d bytes early", max(rows, 0), len(levels))
	}
	return nil
}
