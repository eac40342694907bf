// The other side of `cargo xtask ledger-peers`: the ledger's formats by golang.org/x/mod/sumdb/{note,tlog}.
//
//	peers make            facts about notes, trees and tiles, with the verdict of the Go packages
//	peers check           reads such facts, judges them anew and compares
//	peers log FOLDER      verifies a log's folder: checkpoint, tiles, bundles
//
// A fact is a line of fields separated by tabs; the first says its kind. Cosignatures, bundles and proof files are
// not known to those packages and are read here by hand, after the C2SP specifications.
package main

import (
	"bufio"
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const (
	height     = 8
	treeSize   = 66000
	cosignType = 4
)

func main() {
	var err error
	switch {
	case len(os.Args) == 2 && os.Args[1] == "make":
		err = makeFacts()
	case len(os.Args) == 2 && os.Args[1] == "check":
		err = checkFacts()
	case len(os.Args) == 3 && os.Args[1] == "log":
		err = checkLog(os.Args[2])
	default:
		err = errors.New("usage: peers make | peers check | peers log FOLDER")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

func encode(data []byte) string { return base64.StdEncoding.EncodeToString(data) }

func decode(text string) []byte {
	data, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil {
		panic("a fact is not in base64: " + text)
	}
	return data
}

func number(text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		panic("a fact has no number: " + text)
	}
	return n
}

func verdict(err error) string {
	if err != nil {
		return "bad"
	}
	return "ok"
}

// ---- keys that cosign (tlog-cosignature, Ed25519)

type cosigner struct {
	name    string
	hash    uint32
	public  ed25519.PublicKey
	private ed25519.PrivateKey
	time    uint64
}

func (c *cosigner) Name() string    { return c.name }
func (c *cosigner) KeyHash() uint32 { return c.hash }

func cosigned(time uint64, text []byte) []byte {
	return append([]byte(fmt.Sprintf("cosignature/v1\ntime %d\n", time)), text...)
}

func (c *cosigner) Sign(text []byte) ([]byte, error) {
	sig := make([]byte, 8)
	binary.BigEndian.PutUint64(sig, c.time)
	return append(sig, ed25519.Sign(c.private, cosigned(c.time, text))...), nil
}

func (c *cosigner) Verify(text, sig []byte) bool {
	if len(sig) != 8+ed25519.SignatureSize {
		return false
	}
	time := binary.BigEndian.Uint64(sig)
	return time < 1<<63 && ed25519.Verify(c.public, cosigned(time, text), sig[8:])
}

func cosignerHash(name string, public []byte) uint32 {
	sum := sha256.Sum256([]byte(name + "\n" + string([]byte{cosignType}) + string(public)))
	return binary.BigEndian.Uint32(sum[:])
}

func cosignerKey(name string, public []byte) string {
	return fmt.Sprintf("%s+%08x+%s", name, cosignerHash(name, public), encode(append([]byte{cosignType}, public...)))
}

func newVerifier(vkey string) (note.Verifier, error) {
	parts := strings.SplitN(vkey, "+", 3)
	if len(parts) == 3 {
		key, err := base64.StdEncoding.DecodeString(parts[2])
		if err == nil && len(key) == 1+ed25519.PublicKeySize && key[0] == cosignType {
			if fmt.Sprintf("%08x", cosignerHash(parts[0], key[1:])) != parts[1] || parts[0] == "" {
				return nil, errors.New("not this cosigner's hash")
			}
			return &cosigner{name: parts[0], hash: cosignerHash(parts[0], key[1:]), public: key[1:]}, nil
		}
	}
	return note.NewVerifier(vkey)
}

// open judges a note by keys separated by spaces; the names of those who signed, in the note's order.
func open(text []byte, vkeys string) (*note.Note, string, error) {
	var known []note.Verifier
	for _, vkey := range strings.Fields(vkeys) {
		verifier, err := newVerifier(vkey)
		if err != nil {
			return nil, "", err
		}
		known = append(known, verifier)
	}
	opened, err := note.Open(text, note.VerifierList(known...))
	if err != nil {
		return nil, "", err
	}
	var names []string
	for _, sig := range opened.Sigs {
		names = append(names, sig.Name)
	}
	return opened, strings.Join(names, " "), nil
}

// ---- trees

func record(i int64) []byte {
	return bytes.Repeat([]byte(fmt.Sprintf("record %d\n", i)), int(i%3))
}

type stored []tlog.Hash

func (s stored) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	var out []tlog.Hash
	for _, index := range indexes {
		if index >= int64(len(s)) {
			return nil, fmt.Errorf("hash %d is not stored", index)
		}
		out = append(out, s[index])
	}
	return out, nil
}

func grow(size int64) stored {
	var all stored
	for i := int64(0); i < size; i++ {
		hashes, err := tlog.StoredHashes(i, record(i), all)
		if err != nil {
			panic(err)
		}
		all = append(all, hashes...)
	}
	return all
}

func (s stored) root(size int64) tlog.Hash {
	root, err := tlog.TreeHash(size, s)
	if err != nil {
		panic(err)
	}
	return root
}

func hashes(words string) []tlog.Hash {
	out := []tlog.Hash{}
	for _, word := range strings.Fields(words) {
		out = append(out, hash(word))
	}
	return out
}

func hash(word string) tlog.Hash {
	h, err := tlog.ParseHash(word)
	if err != nil {
		panic(err)
	}
	return h
}

func words(list []tlog.Hash) string {
	var out []string
	for _, h := range list {
		out = append(out, h.String())
	}
	return strings.Join(out, " ")
}

// ---- tiles

// ours writes a tile's path without the height, and entries for data, as tlog-tiles does.
func ours(tile tlog.Tile) string {
	path := strings.TrimPrefix(tile.Path(), fmt.Sprintf("tile/%d/", height))
	return "tile/" + strings.Replace(path, "data/", "entries/", 1)
}

func parsePath(path string) (tlog.Tile, error) {
	if !strings.HasPrefix(path, "tile/") || strings.HasPrefix(path, "tile/data/") {
		return tlog.Tile{}, errors.New("not a path")
	}
	rest := strings.TrimPrefix(path, "tile/")
	if strings.HasPrefix(rest, "entries/") {
		rest = strings.Replace(rest, "entries/", "data/", 1)
	}
	return tlog.ParseTilePath(fmt.Sprintf("tile/%d/%s", height, rest))
}

// tilesOf lists the tiles that a tree of this size has, sorted: of each place the widest.
func tilesOf(size int64) []string {
	widest := map[[2]int64]tlog.Tile{}
	for _, tile := range tlog.NewTiles(height, 0, size) {
		at := [2]int64{int64(tile.L), tile.N}
		if tile.W > widest[at].W {
			widest[at] = tile
		}
	}
	var paths []string
	for _, tile := range widest {
		paths = append(paths, ours(tile))
	}
	sort.Strings(paths)
	return paths
}

// growth lists what the larger tree has and the smaller has not.
func growth(old, new int64) string {
	before := map[string]bool{}
	for _, path := range tilesOf(old) {
		before[path] = true
	}
	var paths []string
	for _, path := range tilesOf(new) {
		if !before[path] {
			paths = append(paths, path)
		}
	}
	return strings.Join(paths, " ")
}

func bundle(index, width int64) []byte {
	var out []byte
	for i := index * 256; i < index*256+width; i++ {
		data := record(i)
		out = append(out, byte(len(data)>>8), byte(len(data)))
		out = append(out, data...)
	}
	return out
}

func unbundle(data []byte, width int) ([][]byte, error) {
	var entries [][]byte
	for i := 0; i < width; i++ {
		if len(data) < 2 || len(data)-2 < int(binary.BigEndian.Uint16(data)) {
			return nil, errors.New("the bundle is too short")
		}
		end := 2 + int(binary.BigEndian.Uint16(data))
		entries = append(entries, data[2:end])
		data = data[end:]
	}
	if len(data) != 0 {
		return nil, errors.New("the bundle is too long")
	}
	return entries, nil
}

// ---- proof files (tlog-proof)

func checkProofFile(text []byte, vkeys, leaf string) error {
	lines := strings.Split(string(text), "\n")
	if lines[0] != "c2sp.org/tlog-proof@v1" || len(lines) < 3 {
		return errors.New("not a proof")
	}
	lines = lines[1:]
	if strings.HasPrefix(lines[0], "extra ") {
		if extra, err := base64.StdEncoding.Strict().DecodeString(lines[0][6:]); err != nil || len(extra) == 0 {
			return errors.New("extra")
		}
		lines = lines[1:]
	}
	if !strings.HasPrefix(lines[0], "index ") {
		return errors.New("no index")
	}
	index, err := strconv.ParseInt(lines[0][6:], 10, 64)
	if err != nil || lines[0] != fmt.Sprintf("index %d", index) {
		return errors.New("index")
	}
	lines = lines[1:]
	proof := tlog.RecordProof{}
	for len(lines) > 0 && lines[0] != "" {
		h, err := base64.StdEncoding.Strict().DecodeString(lines[0])
		if err != nil || len(h) != tlog.HashSize {
			return errors.New("hash")
		}
		proof = append(proof, hash(lines[0]))
		lines = lines[1:]
	}
	if len(lines) == 0 {
		return errors.New("no checkpoint")
	}
	signed := strings.Join(lines[1:], "\n")
	opened, _, err := open([]byte(signed), vkeys)
	if err != nil {
		return err
	}
	if canonical(signed) != signed {
		return errors.New("not in canonical base64")
	}
	tree, err := parseCheckpoint(opened.Text, strings.SplitN(vkeys, "+", 2)[0])
	if err != nil {
		return err
	}
	return tlog.CheckRecord(proof, tree.N, tree.Hash, index, hash(leaf))
}

// parseCheckpoint reads a checkpoint through the package's own parser, which knows one origin only.
func parseCheckpoint(text, origin string) (tlog.Tree, error) {
	if !strings.HasPrefix(text, origin+"\n") {
		return tlog.Tree{}, errors.New("another origin")
	}
	return tlog.ParseTree([]byte("go.sum database tree\n" + strings.TrimPrefix(text, origin+"\n")))
}

// ---- differences that are meant

// canonical writes the base64 of a note's signatures, or of a key, in the one form that Testudo reads: the Go
// packages take other bits behind the last byte too, and capital letters in a key's hash.
func canonical(text string) string {
	at := strings.LastIndex(text, "\n\n")
	lines := strings.Split(text[at+1:], "\n")
	for i, line := range lines {
		sep := strings.LastIndexAny(line, " ")
		if data, err := base64.StdEncoding.DecodeString(line[sep+1:]); err == nil && sep >= 0 {
			lines[i] = line[:sep+1] + encode(data)
		}
	}
	return text[:at+1] + strings.Join(lines, "\n")
}

func canonicalKey(key string) string {
	parts := strings.SplitN(key, "+", 3)
	if len(parts) != 3 {
		return key
	}
	if data, err := base64.StdEncoding.DecodeString(parts[2]); err == nil {
		parts[2] = encode(data)
	}
	return parts[0] + "+" + strings.ToLower(parts[1]) + "+" + parts[2]
}

// ---- make

func random(max int64) int64 {
	n, err := rand.Int(rand.Reader, big.NewInt(max))
	if err != nil {
		panic(err)
	}
	return n.Int64()
}

func flip(data []byte) []byte {
	out := append([]byte{}, data...)
	out[random(int64(len(out)))] ^= 1 << uint(random(8))
	return out
}

// fits says whether a text can be a field of a fact.
func fits(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsAny(text, "\t\n\r ")
}

var out = bufio.NewWriter(os.Stdout)

func fact(fields ...string) {
	fmt.Fprintln(out, strings.Join(fields, "\t"))
}

func makeFacts() error {
	defer out.Flush()
	tree := grow(treeSize)
	makeNotes(tree)
	for size := int64(1); size <= 300; size++ {
		fact("root", fmt.Sprint(size), tree.root(size).String())
	}
	for size := int64(1); size <= 20; size++ {
		for n := int64(0); n < size; n++ {
			makeInclusion(tree, n, size)
			makeConsistency(tree, n+1, size)
		}
	}
	for i := 0; i < 200; i++ {
		size := 1 + random(treeSize)
		fact("root", fmt.Sprint(size), tree.root(size).String())
		makeInclusion(tree, random(size), size)
		makeConsistency(tree, 1+random(size), size)
		old := random(size + 1)
		fact("growth", fmt.Sprint(old), fmt.Sprint(size), growth(old, size))
	}
	for _, path := range tilesOf(treeSize) {
		tile, err := parsePath(path)
		if err != nil {
			return err
		}
		data, err := tlog.ReadTileData(tile, tree)
		if err != nil {
			return err
		}
		fact("tile", fmt.Sprint(treeSize), path, encode(data))
	}
	for i := int64(0); i < 10; i++ {
		width := 1 + random(256)
		fact("bundle", ours(tlog.Tile{H: height, L: -1, N: i, W: int(width)}), encode(bundle(i, width)))
	}
	makePaths()
	return nil
}

func makePaths() {
	for i := 0; i < 500; i++ {
		tile := tlog.Tile{H: height, L: int(random(65)) - 1, N: random(1 << uint(1+random(59))), W: 1 + int(random(256))}
		path := ours(tile)
		fact("path", "ok", path)
		for j := 0; j < 4; j++ {
			other := string(flip([]byte(path)))
			// Within the specification's levels, of which the package knows no limit.
			if parsed, err := parsePath(other); fits(other) && parsed.L <= 63 {
				fact("path", verdict(err), other)
			}
		}
	}
}

func makeNotes(tree stored) {
	var signers []note.Signer
	var vkeys []string
	for _, name := range []string{"example.com/log", "second", "naïve.example/ключ"} {
		skey, vkey, err := note.GenerateKey(rand.Reader, name)
		if err != nil {
			panic(err)
		}
		signer, err := note.NewSigner(skey)
		if err != nil {
			panic(err)
		}
		fact("key", skey, vkey)
		signers, vkeys = append(signers, signer), append(vkeys, vkey)
		for i := 0; i < 100; i++ {
			other := string(flip([]byte(vkey)))
			if fits(other) {
				_, err := newVerifier(other)
				fact("vkey", verdict(err), other)
			}
		}
	}
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	witness := &cosigner{"witness", cosignerHash("witness", public), public, private, 1700000000}
	signers, vkeys = append(signers, witness), append(vkeys, cosignerKey("witness", public))
	for i := 0; i < 40; i++ {
		size := 1 + random(treeSize)
		root := tree.root(size)
		text := string(tlog.FormatTree(tlog.Tree{N: size, Hash: root}))
		fact("checkpoint", fmt.Sprint(size), root.String(), encode([]byte(text)))
		if i%2 == 1 {
			text = fmt.Sprintf("some text\n\n%d é \u2014 x\n", i)
		}
		witness.time = uint64(random(1 << 62))
		signed, err := note.Sign(&note.Note{Text: text}, signers[i%3], signers[(i+1)%3], witness)
		if err != nil {
			panic(err)
		}
		for j := 0; j < 8; j++ {
			makeNote(signed, vkeys[j%4]+" "+vkeys[(j+1)%4])
			makeNote(flip(signed), vkeys[j%3]+" "+vkeys[3])
			makeNote(flip(signed), strings.Join(vkeys, " "))
		}
	}
	for i := 0; i < 30; i++ {
		size := 1 + random(treeSize)
		index := random(size)
		proof, err := tlog.ProveRecord(size, index, tree)
		if err != nil {
			panic(err)
		}
		text := fmt.Sprintf("example.com/log\n%d\n%s\n", size, tree.root(size))
		signed, err := note.Sign(&note.Note{Text: text}, signers[0], witness)
		if err != nil {
			panic(err)
		}
		file := fmt.Sprintf("c2sp.org/tlog-proof@v1\nindex %d\n%s\n\n%s", index, strings.Replace(words(proof), " ", "\n", -1), signed)
		if size == 1 {
			file = strings.Replace(file, "index 0\n\n", "index 0\n", 1)
		}
		leaf := tlog.RecordHash(record(index)).String()
		fact("proof", "ok", vkeys[0], leaf, encode([]byte(file)))
		for j := 0; j < 20; j++ {
			other := flip([]byte(file))
			fact("proof", verdict(checkProofFile(other, vkeys[0], leaf)), vkeys[0], leaf, encode(other))
		}
	}
}

func makeNote(text []byte, vkeys string) {
	_, names, err := open(text, vkeys)
	fact("note", verdict(err), vkeys, names, encode(text))
}

// variants are a proof, and what is near it.
func variants(proof []tlog.Hash, a, b int64) (out []struct {
	proof []tlog.Hash
	a, b  int64
}) {
	add := func(proof []tlog.Hash, a, b int64) {
		out = append(out, struct {
			proof []tlog.Hash
			a, b  int64
		}{proof, a, b})
	}
	add(proof, a, b)
	add(append(append([]tlog.Hash{}, proof...), tlog.Hash{}), a, b)
	add(proof, a+1, b)
	add(proof, a, b+1)
	add(proof, a+1, b+1)
	if a > 1 {
		add(proof, a-1, b)
		add(proof, a-1, b-1)
	}
	if len(proof) > 0 {
		add(proof[1:], a, b)
		add(proof[:len(proof)-1], a, b)
		other := append([]tlog.Hash{}, proof...)
		at := random(int64(len(other)))
		other[at][random(32)] ^= 1 << uint(random(8))
		add(other, a, b)
	}
	return out
}

func makeInclusion(tree stored, index, size int64) {
	proof, err := tlog.ProveRecord(size, index, tree)
	if err != nil {
		panic(err)
	}
	root, leaf := tree.root(size), tlog.RecordHash(record(index))
	for _, it := range variants(proof, index, size) {
		err := tlog.CheckRecord(it.proof, it.b, root, it.a, leaf)
		fact("inclusion", verdict(err), fmt.Sprint(it.a), fmt.Sprint(it.b), root.String(), leaf.String(), words(it.proof))
	}
}

func makeConsistency(tree stored, old, new int64) {
	proof, err := tlog.ProveTree(new, old, tree)
	if err != nil {
		panic(err)
	}
	oldRoot, newRoot := tree.root(old), tree.root(new)
	for _, it := range variants(proof, old, new) {
		err := tlog.CheckTree(it.proof, it.b, newRoot, it.a, oldRoot)
		fact("consistency", verdict(err), fmt.Sprint(it.a), oldRoot.String(), fmt.Sprint(it.b), newRoot.String(), words(it.proof))
	}
}

// ---- check

func checkFacts() error {
	tree := grow(treeSize)
	counts, stricter := map[string]int{}, map[string]int{}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	wrong := 0
	for lines.Scan() {
		fields := strings.Split(lines.Text(), "\t")
		same, meant := judge(tree, fields)
		if !same && !meant {
			if wrong++; wrong <= 10 {
				fmt.Fprintln(os.Stderr, "DIFFERS:", lines.Text())
			}
		}
		counts[fields[0]]++
		if !same && meant {
			stricter[fields[0]]++
		}
	}
	if err := lines.Err(); err != nil {
		return err
	}
	var kinds []string
	for kind := range counts {
		kinds = append(kinds, kind)
	}
	sort.Strings(kinds)
	for _, kind := range kinds {
		fmt.Printf("%s\t%d\t%d\n", kind, counts[kind], stricter[kind])
	}
	if wrong > 0 {
		return fmt.Errorf("%d facts are judged differently", wrong)
	}
	return nil
}

// judge says whether a fact holds here too, or else whether it is a difference that is meant.
func judge(tree stored, f []string) (same, meant bool) {
	switch f[0] {
	case "key":
		return judgeKey(f[1], f[2]), false
	case "vkey":
		_, err := newVerifier(f[2])
		return verdict(err) == f[1], err == nil && canonicalKey(f[2]) != f[2]
	case "note":
		text := string(decode(f[4]))
		_, names, err := open([]byte(text), f[2])
		return verdict(err) == f[1] && names == f[3], err == nil && canonical(text) != text
	case "checkpoint":
		text := decode(f[3])
		want := tlog.Tree{N: number(f[1]), Hash: hash(f[2])}
		parsed, err := tlog.ParseTree(text)
		return err == nil && parsed == want && bytes.Equal(tlog.FormatTree(want), text), false
	case "root":
		return tree.root(number(f[1])).String() == f[2], false
	case "inclusion":
		index, size := number(f[2]), number(f[3])
		err := tlog.CheckRecord(hashes(f[6]), size, hash(f[4]), index, hash(f[5]))
		same := verdict(err) == f[1]
		if f[1] == "ok" && tree.root(size).String() == f[4] {
			proof, err := tlog.ProveRecord(size, index, tree)
			same = same && err == nil && words(proof) == f[6]
		}
		return same, false
	case "consistency":
		old, new := number(f[2]), number(f[4])
		err := tlog.CheckTree(hashes(f[6]), new, hash(f[5]), old, hash(f[3]))
		same := verdict(err) == f[1]
		if f[1] == "ok" && tree.root(new).String() == f[5] {
			proof, err := tlog.ProveTree(new, old, tree)
			same = same && err == nil && words(proof) == f[6]
		}
		return same, false
	case "growth":
		return growth(number(f[1]), number(f[2])) == f[3], false
	case "tile":
		tile, err := parsePath(f[2])
		if err != nil {
			return false, false
		}
		data, err := tlog.ReadTileData(tile, tree)
		return err == nil && encode(data) == f[3], false
	case "bundle":
		tile, err := parsePath(f[1])
		return err == nil && tile.L == -1 && encode(bundle(tile.N, int64(tile.W))) == f[2], false
	case "path":
		tile, err := parsePath(f[2])
		return verdict(err) == f[1] && (err != nil || ours(tile) == f[2]), false
	case "proof":
		return verdict(checkProofFile(decode(f[4]), f[2], f[3])) == f[1], false
	}
	return false, false
}

func judgeKey(skey, vkey string) bool {
	signer, err := note.NewSigner(skey)
	if err != nil {
		return false
	}
	verifier, err := note.NewVerifier(vkey)
	if err != nil || signer.Name() != verifier.Name() || signer.KeyHash() != verifier.KeyHash() {
		return false
	}
	sig, err := signer.Sign([]byte("x\n"))
	return err == nil && verifier.Verify([]byte("x\n"), sig)
}

// ---- a log's folder

type folder struct {
	path   string
	failed error
}

func (f *folder) Height() int                         { return height }
func (f *folder) SaveTiles(_ []tlog.Tile, _ [][]byte) {}

func (f *folder) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var out [][]byte
	for _, tile := range tiles {
		data, err := os.ReadFile(filepath.Join(f.path, ours(tile)))
		if err != nil {
			// The full tile stands in for a partial one.
			full := tile
			full.W = 1 << height
			data, err = os.ReadFile(filepath.Join(f.path, ours(full)))
			if err != nil {
				return nil, err
			}
			data = data[:tile.W*tlog.HashSize]
		}
		out = append(out, data)
	}
	return out, nil
}

// checkLog verifies a log by its policy file's first log line: the checkpoint, then every leaf's hash through the
// tiles up to the root, then every entry.
func checkLog(path string) error {
	policy, err := os.ReadFile(filepath.Join(path, "policy"))
	if err != nil {
		return err
	}
	var vkey string
	for _, line := range strings.Split(string(policy), "\n") {
		if words := strings.Fields(line); len(words) >= 2 && words[0] == "log" && vkey == "" {
			vkey = words[1]
		}
	}
	signed, err := os.ReadFile(filepath.Join(path, "checkpoint"))
	if err != nil {
		return err
	}
	opened, _, err := open(signed, vkey)
	if err != nil {
		return err
	}
	tree, err := parseCheckpoint(opened.Text, strings.SplitN(vkey, "+", 2)[0])
	if err != nil {
		return err
	}
	reader := tlog.TileHashReader(tree, &folder{path: path})
	for first := int64(0); first < tree.N; first += 256 {
		width := tree.N - first
		if width > 256 {
			width = 256
		}
		tile := tlog.Tile{H: height, L: -1, N: first / 256, W: int(width)}
		data, err := os.ReadFile(filepath.Join(path, ours(tile)))
		if err != nil {
			return err
		}
		entries, err := unbundle(data, int(width))
		if err != nil {
			return fmt.Errorf("%s: %v", ours(tile), err)
		}
		var indexes []int64
		for i := range entries {
			indexes = append(indexes, tlog.StoredHashIndex(0, first+int64(i)))
		}
		leaves, err := reader.ReadHashes(indexes)
		if err != nil {
			return err
		}
		for i, entry := range entries {
			if tlog.RecordHash(entry) != leaves[i] {
				return fmt.Errorf("entry %d is not the one in the tree", first+int64(i))
			}
		}
	}
	fmt.Printf("log\t%d\t0\n", tree.N)
	return nil
}
