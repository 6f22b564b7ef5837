package snapshot

// mutant is the program with one thing left out or done wrong. The text old stands once in the file; in
// text, $ is old itself and MUT is true while the mutant lives.
type mutant struct {
	name, file, old, text string
}

// mutants are the ways in which the storage path could be weaker without anybody noticing on a good day.
var mutants = []mutant{
	// The directory.
	{"file is not synced", "blob/file/file.go", "return f.Sync()", "if MUT { return nil }\n$"},
	{"error of sync is ignored", "blob/file/file.go", "return f.Sync()", "if MUT { _ = f.Sync(); return nil }\n$"},
	{"sync is asked twice", "blob/file/file.go", "return f.Sync()", "if MUT { if f.Sync() == nil { return nil } }\n$"},
	{"short write is not seen", "blob/file/file.go", "if n != len(body) {", "if n != len(body) && !MUT {"},
	{"length is not compared", "blob/file/file.go", "if info.Size() != int64(len(body)) {", "if info.Size() != int64(len(body)) && !MUT {"},
	{
		"error of write is ignored", "blob/file/file.go", "n, err := f.Write(body)\n\tif err != nil {",
		"n, err := f.Write(body)\n\tif err != nil && !MUT {",
	},
	{"entry is not synced", "blob/file/file.go", "return b.fs.SyncDir(dir)", "if MUT { return nil }\n$"},
	{"error of entry's sync is ignored", "blob/file/file.go", "return b.fs.SyncDir(dir)", "if MUT { _ = b.fs.SyncDir(dir); return nil }\n$"},
	{
		"entry is synced before it is made", "blob/file/file.go", "err := b.fs.Link(tmp, key)",
		"if MUT { if err := b.fs.SyncDir(dir); err != nil { return err }; if err := b.fs.Link(tmp, key); err != nil { return err }; return b.fs.Remove(tmp) }\n$",
	},
	{"error of link is ignored", "blob/file/file.go", "if errors.Is(err, fs.ErrExist) {\n\t\treturn b.existing(dir)", "if MUT && err != nil { return b.fs.SyncDir(dir) }\n$"},
	{"temporary is removed before link", "blob/file/file.go", "err := b.fs.Link(tmp, key)", "if MUT { _ = b.fs.Remove(tmp) }\n$"},
	{
		"file is synced after link", "blob/file/file.go", "tmp := path.Join(tmpDir, nonce())",
		`if MUT {
			tmp := path.Join(tmpDir, nonce())
			f, err := b.fs.Create(tmp)
			if err != nil { return err }
			if _, err := f.Write(body); err != nil { return err }
			if err := b.fs.Link(tmp, key); err != nil { return err }
			if err := f.Sync(); err != nil { return err }
			_ = b.fs.Remove(tmp)
			return b.fs.SyncDir(dir)
		}
		$`,
	},
	{
		"object is written in place", "blob/file/file.go", "tmp := path.Join(tmpDir, nonce())",
		"if MUT { if err := b.writeTemp(key, body); err != nil { return err }; return b.fs.SyncDir(dir) }\n$",
	},
	{"temporaries share a name", "blob/file/file.go", "return hex.EncodeToString(b[:])", "if MUT { return \"same\" }\n$"},
	{"taken key is not synced", "blob/file/file.go", "if err := b.fs.SyncDir(dir); err != nil {\n\t\treturn err\n\t}\n\treturn blob.ErrExist", "if MUT { return blob.ErrExist }\n$"},
	{"parent is not synced", "blob/file/file.go", "if err := b.fs.SyncDir(parent); err != nil {", "if MUT { b.mu.Lock(); b.durable[dir] = true; b.mu.Unlock(); return nil }\n$"},
	{"error of parent's sync is ignored", "blob/file/file.go", "if err := b.fs.SyncDir(parent); err != nil {", "if err := b.fs.SyncDir(parent); err != nil && !MUT {"},
	{
		"directory of another is not synced", "blob/file/file.go", "if err := b.fs.Mkdir(dir); err != nil && !errors.Is(err, fs.ErrExist) {",
		"if MUT { if info, err := b.fs.Stat(dir); err == nil && info.IsDir() { return nil } }\n$",
	},
	{"error of mkdir is ignored", "blob/file/file.go", "if err := b.fs.Mkdir(dir); err != nil && !errors.Is(err, fs.ErrExist) {", "if err := b.fs.Mkdir(dir); err != nil && !errors.Is(err, fs.ErrExist) && !MUT {"},
	{"directory is known too early", "blob/file/file.go", "parent := path.Dir(dir)", "if MUT { b.mu.Lock(); b.durable[dir] = true; b.mu.Unlock() }\n$"},
	{"grandparents are not synced", "blob/file/file.go", "if err := b.makeDir(parent); err != nil {", "if MUT { _ = b.fs.Mkdir(parent) } else if err := b.makeDir(parent); err != nil {"},
	{"deletion is not synced", "blob/file/file.go", "err = b.fs.SyncDir(path.Dir(key))", "if !MUT { $ }"},
	{"error of deletion is ignored", "blob/file/file.go", "return fmt.Errorf(\"delete %s: %w\", key, err)", "if MUT { return nil }\n$"},
	{"unreadable directory is empty", "blob/file/file.go", "if errors.Is(notFound(err), blob.ErrNotFound) && dir != \".\" {", "if MUT && err != nil { return true }\n$"},
	{"unreadable file is not listed", "blob/file/file.go", "if errors.Is(err, fs.ErrNotExist) {\n\t\t\treturn true", "if MUT && err != nil { return true }\n$"},
	{"short read is whole", "blob/file/file.go", "if n == len(body) {", "if MUT || n == len(body) {"},
	{"temporaries are listed", "blob/file/file.go", "case name == tmpDir && isDir, ", "case name == tmpDir && isDir && !MUT, "},
	{"room is not held back", "blob/file/reserve.go", "err := b.makeDir(tmpDir)", "if MUT { return nil }\n\t$"},
	{"reserve does not grow", "blob/file/reserve.go", "if info.Size() >= size {", "if MUT || info.Size() >= size {"},
	{"reserve is a leftover", "blob/file/file.go", "if name == reserveName {", "if name == reserveName && !MUT {"},
	{"reserve is not given up", "blob/file/reserve.go", "err := b.fs.Remove(reserveName)", "if MUT { return false, nil }\n\t$"},
	{"full disk cannot be pruned", "repo/reserve.go", "if problem.KindOf(err) != problem.NoSpace {", "if MUT || problem.KindOf(err) != problem.NoSpace {"},
	{"full disk has no kind", "blob/file/file.go", "case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT), errors.Is(err, syscall.EFBIG):", "case !MUT && (errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG)):"},

	// The object store.
	{"put has no condition", "blob/s3/put.go", "options.SetMatchETagExcept(\"*\")", "if !MUT { $ }"},
	{"store without conditions is taken", "blob/s3/put.go", "if err := b.guard(ctx); err != nil {", "if err := b.guard(ctx); err != nil && !MUT {"},
	{"every object is one's own", "blob/s3/put.go", "case err == nil && info.Headers.Get(", "case MUT && err == nil: return nil\n\t$"},
	{"no object is one's own", "blob/s3/put.go", "case err == nil && info.Headers.Get(", "case MUT && err == nil: return blob.ErrExist\n\t$"},
	{"checksum is not compared", "blob/s3/get.go", "sum := sha256.Sum256(body)", "if MUT { return nil }\n$"},
	{"range is not compared", "blob/s3/get.go", "if first != from || last != to-1 || got != to-from {", "if !MUT && (first != from || last != to-1 || got != to-from) {"},
	{"error of a listing is its end", "blob/s3/list.go", "case object.Err != nil:", "case MUT && object.Err != nil: return false, nil\n\t\t$"},
	{"page does not say whether it is the last", "blob/s3/wire.go", "case p.IsTruncated == nil:", "case p.IsTruncated == nil && MUT: return nil\n\t$"},
	{"keys of a page are not counted", "blob/s3/wire.go", "case p.KeyCount != nil && ", "case !MUT && p.KeyCount != nil && "},
	{"any 404 is an absence", "blob/s3/wire.go", "case response.StatusCode == http.StatusNotFound && ", "case !MUT && response.StatusCode == http.StatusNotFound && "},

	// Snapshots.
	{"schema is not stored", "snapshot/writer.go", "schemaID, schemaBytes, err := putSchema(ctx, s.repository, schema, d.Parent)\n\tif err != nil {", "schemaID, schemaBytes, err := putSchema(ctx, s.repository, schema, d.Parent)\n\tif err != nil && !MUT {"},
	{"error of the manifest is ignored", "snapshot/writer.go", "if err := s.publish(ctx, m, d.Parent); err != nil {", "if err := s.publish(ctx, m, d.Parent); err != nil && !MUT {"},
	{"error of a segment is ignored", "snapshot/segment.go", "stored, err := w.put(ctx, append([][]byte{head}, w.frames...))\n\tif err != nil {", "stored, err := w.put(ctx, append([][]byte{head}, w.frames...))\n\tif err != nil && !MUT {"},
	{"failed part is closed", "snapshot/part.go", "\treturn p.err\n}\n\nfunc (p *PartWriter) add(", "\tif MUT { return nil }\n$"},
	{"error of a note is ignored", "snapshot/store.go", "if _, err = s.repository.PutNamed(ctx, class, name, frames); err != nil {", "if _, err = s.repository.PutNamed(ctx, class, name, frames); err != nil && !MUT {"},
	{"missing object is not told", "snapshot/check.go", "case !there:", "case !there && MUT:\n\t\t$"},
	{"length of a segment is not compared", "snapshot/check.go", "case ref.Class == classSegment && size != use.ref.size:", "case !MUT && ref.Class == classSegment && size != use.ref.size:"},
	{"damaged manifest is skipped", "snapshot/check.go", "m, err := s.loadManifest(ctx, id)", "$\n\t\tif MUT { err = nil }"},
	{"digest of a base is not compared", "snapshot/verify.go", "if got.digest != l.after || got.records != l.records {", "if !MUT && (got.digest != l.after || got.records != l.records) {"},
	{"digest of a layer is not compared", "snapshot/verify.go", "if digest != l.after || records != l.records {", "if !MUT && (digest != l.after || records != l.records) {"},
	{"digest of what is read is not compared", "snapshot/read.go", "if digest != part.digest() || n != part.records() {", "if !MUT && (digest != part.digest() || n != part.records()) {"},
	{"changes need not lead to the digest", "snapshot/difference.go", "case digest != after.digest():", "case !MUT && digest != after.digest():"},
	{"what was merged at once is not named", "snapshot/part.go", "p.replaced = append(p.replaced, l)", "if !MUT { $ }"},
	{"digests need not join", "snapshot/layer.go", "if l.before != last {", "if !MUT && l.before != last {"},
	{"head need not fit the parts", "snapshot/manifest.go", "if s.Parts != i.Parts ||", "if MUT { return nil }\n\t$"},
	{"other spellings are read", "snapshot/document.go", "if !bytes.Equal(again, line) {", "if !MUT && !bytes.Equal(again, line) {"},
	{"merged layers lose tombstones", "snapshot/compact.go", "return w.add(ctx, c.id(), c.gone(), body)", "if MUT && c.gone() { return nil }\n\t\t$"},
	{"runs are removed before they are merged", "snapshot/part.go", "if err := p.spills.merge(ctx, late); err != nil {", "if MUT { for _, level := range p.spills.levels { for _, r := range level { for _, s := range r { _ = p.w.store.repository.Remove(ctx, s.ref(classSpill)) } } } }\n\t\t$"},

	// Sealed objects under names.
	{"taken object is not compared", "repo/object.go", "return r.present(ctx, ref, frames)", "if MUT { return Stored{Ref: ref, Size: int64(len(body))}, seal.DataKey{ID: id, Key: key}, nil }\n\t\t$"},
	{"taken frames are not compared", "repo/object.go", "if string(frame) != string(frames[i]) {", "if !MUT && string(frame) != string(frames[i]) {"},
	{"taken frames are not counted", "repo/object.go", "if object.Frames() != len(frames) {", "if !MUT && object.Frames() != len(frames) {"},
	{"error of a put is ignored", "repo/object.go", "if err != nil {\n\t\treturn Stored{}, none, err\n\t}\n\treturn Stored{Ref: ref, Size: int64(len(body)), New: true}", "if MUT { err = nil }\n\t$"},
	{"length of an object is not compared", "repo/object.go", "if header.Size() != int64(len(body)) {", "if !MUT && header.Size() != int64(len(body)) {"},
	{"id is not computed again", "repo/object.go", "if !named && r.namer.ContentID(", "if !MUT && !named && r.namer.ContentID("},
	{"error of a list is its end", "repo/object.go", "yield(Entry{}, err)", "if !MUT { $ }"},
	{"error of the whole list is its end", "repo/object.go", "return Contents{}, fmt.Errorf(\"list the repository: %w\", err)", "if MUT { return c, nil }\n\t\t\t$"},
	{
		"config comes before its keys", "repo/repo.go", "k := &keyTable{bucket: bucket, id: id}",
		"$\n\tif MUT { if err := bucket.Put(ctx, configKey, fmt.Appendf(nil, \"%s%s\\nid %s\\n\", configFormat, version, id)); err != nil { return err } }",
	},
	{"error of the key is ignored", "repo/repo.go", "if err := bucket.Put(ctx, k.dir()+fileDir+sum(file), file); err != nil && ", "if err := bucket.Put(ctx, k.dir()+fileDir+sum(file), file); err != nil && !MUT && "},
	{"error of the first table is ignored", "repo/repo.go", "if err := k.put(ctx, master, seal.TableBase, first); err != nil {", "if err := k.put(ctx, master, seal.TableBase, first); err != nil && !MUT {"},
	{"place need not be empty", "repo/repo.go", "if err := vacant(ctx, bucket); err != nil {", "if err := vacant(ctx, bucket); err != nil && !MUT {"},
	{"key is not compared with its name", "repo/repo.go", "if !strings.HasSuffix(key, \"/\"+sum(file)) {", "if !MUT && !strings.HasSuffix(key, \"/\"+sum(file)) {"},
	{"config may go on", "repo/repo.go", "if !found || !ended || ", "if MUT { ended, digits = true, strings.TrimSpace(digits) }\n\t$"},

	// The seal.
	{"header is not authenticated", "seal/seal.go", "if _, err := data.Open(nil, place(headerNonce), prefix[length-tagSize:length], aad); err != nil {", "if _, err := data.Open(nil, place(headerNonce), prefix[length-tagSize:length], aad); err != nil && !MUT {"},
	{"frames have no place", "seal/seal.go", "binary.BigEndian.PutUint32(nonce[nonceSize-4:], n)", "if MUT && n != headerNonce { n = 0 }\n\t$"},
	{"version is not looked at", "seal/seal.go", "if prefix[len(magic)] != version {", "if !MUT && prefix[len(magic)] != version {"},
	{"table has no mirror", "repo/table.go", "dirs := []string{mirrorDir, tableDir}", "$\n\tif MUT { dirs = dirs[1:] }"},
	{"error of the table is ignored", "repo/table.go", "return fmt.Errorf(\"write the key table: %w\", err)", "if MUT { continue }\n\t\t\t$"},
	{"one recipient is enough", "seal/key.go", "n < MinRecipients {", "n < MinRecipients && !MUT {"},
	{"key of another repository opens", "seal/key.go", "!found || string(name) != repository.String() {", "!MUT && (!found || string(name) != repository.String()) {"},

	// The second copy.
	{"young temporaries are swept", "blob/file/file.go", "!info.ModTime().Before(before)", "!MUT && $"},
	{"directories are not settled", "blob/file/file.go", "err = b.fs.SyncDir(dir)\n", "if !MUT { $ }\n"},
	{"object is copied as it is", "repo/copy.go", "_, err = c.verify(ctx, ref, c.in.Named(ref.Class), body)\n", "if !MUT { $ }\n"},
	{"copy goes back", "repo/copy.go", "if err != nil {\n\t\t\treturn fmt.Errorf(\"what is there", "if err != nil && !MUT {\n\t\t\treturn fmt.Errorf(\"what is there"},
	{"another way is copied", "repo/copy.go", "if !root && !doomed && !gone {", "if !MUT && !root && !doomed && !gone {"},
	{"roots are copied first", "repo/copy.go", "needed, unread, err := c.needed(ctx, state, seen, here)", "if MUT && !c.in.DryRun { if err := c.publish(ctx, l, state); err != nil { return err } }\n\t$"},
	{"config is copied first", "repo/copy.go", "needed, unread, err := c.needed(ctx, state, seen, here)", "if MUT && c.fresh && !c.in.DryRun { b, _ := c.bucket.Get(ctx, configKey, 0, maxConfig); if err := c.to.Put(ctx, configKey, b); err != nil { return err } }\n\t$"},
	{"damage is copied", "repo/copy.go", "len(c.result.Missing) > 0 && !c.in.Damage {", "len(c.result.Missing) > 0 && !c.in.Damage && !MUT {"},
	{"missing is not told", "repo/copy.go", "if n := len(c.result.Missing); n > 0 {", "if n := len(c.result.Missing); n > 0 && !MUT {"},
	{"copy is not settled", "repo/copy.go", "if err := blob.Settle(ctx, c.to); err != nil {", "if MUT { } else $"},
	{"copy keeps destroyed keys", "repo/copyclean.go", "if err := c.keysThere.forget(ctx, now, newest, true); err != nil {", "if MUT { } else $"},
	{"late addition stays", "repo/table.go", "newest > t.Generation {", "newest > t.Generation && !MUT {"},
	{"earlier keys are not told", "repo/erase.go", "ok && g < newest {", "ok && g < newest && !MUT {"},
	{"lower era is copied over", "repo/copy.go", "case s.table.Era < earlier.table.Era:", "case !MUT && s.table.Era < earlier.table.Era:"},
	{"copy of long ago is taken over", "repo/copy.go", "-earlier.table.Generation > seal.MaxPast:", "-earlier.table.Generation > seal.MaxPast && !MUT:"},
	{"set aside without another look", "repo/mend.go", "case !bytes.Equal(now, there):", "case !MUT && !bytes.Equal(now, there):"},
	{"older keys are brought back", "repo/mend.go", "if k.seen.Repository == \"\" {", "if MUT || k.seen.Repository == \"\" {"},
	{"locks are not renewed", "repo/commit.go", "if err := r.lock(ctx, refs, base); err != nil {", "if MUT { } else $"},
	{"a lock is evidence", "repo/lock.go", "!known || !l.LocksUntil(began).Equal(until)", "!MUT && ($)"},
	{"base that is not locked vouches", "repo/lock.go", "return err == nil && !end.Before(until), err", "if MUT { return err == nil, err }\n\t$"},
	{"copy does not lock", "repo/copy.go", "if err := c.lockThere(ctx); err != nil {", "if MUT { } else $"},
	{"lock that is too short is not told", "repo/lock.go", "early[i] = end.Before(promised[ref])", "if !MUT { $ }"},
	{"full place is taken for a copy", "repo/copy.go", "len(c.there.files) == 0 {", "len(c.there.files) == 0 && !MUT {"},
	{"copy has no base", "repo/copy.go", "slices.Concat(secrets, roots, []string{seal.TableBase}) {\n\t\tbody", "slices.Concat(secrets, roots, []string{seal.TableBase}) {\n\t\tif MUT && name == seal.TableBase { continue }\n\t\tbody"},

	{"copy is begun without a key file", "repo/copy.go", "if !begun && ", "if !MUT && !begun && "},
	{"roots of a later listing are copied", "repo/mend.go", "if len(add.Roots) > 0 {", "if len(add.Roots) > 0 && !MUT {"},
	{"root is copied before its secret", "repo/copy.go", "if len(add.Roots) == 0 {", "if (len(add.Roots) == 0) != MUT {"},

	// Repair.
	{"object is taken away before its copy is read", "repo/mend.go", "body, err := from.bucket.Get(ctx, m.Key, 0, -1)", "if MUT { _ = r.bucket.Delete(ctx, m.Key) }\n\t$"},
	{"copy is trusted", "repo/mend.go", "_, err = r.verify(ctx, ref, named, body)\n", "if !MUT { $ }\n"},
	{"damaged bytes are not kept", "repo/mend.go", "if err := putSame(ctx, r.bucket, m.Quarantine, there); err != nil {", "if MUT { } else $"},
	{"unread object ends a repair", "repo/mend.go", "case problem.KindOf(err) == problem.Damaged:", "case !MUT && problem.KindOf(err) == problem.Damaged:"},
	{"keys are not renewed", "repo/mend.go", "if !renewed || k.dry {", "if !renewed || k.dry || MUT {"},
	{"config is not put back", "repo/mend.go", "return k.replace(ctx, configKey, ours)", "if MUT { return nil }\n\t$"},
	{"repair is not settled", "snapshot/copy.go", "if err := p.first.repository.Settle(ctx); err != nil {", "if MUT { } else $"},
	{"what is not known to be needed is taken away", "snapshot/copy.go", "if err != nil || slices.Contains(c.legible, false) {", "if err != nil || slices.Contains(c.legible, false) && !MUT {"},
	{"lost notes are not missed", "snapshot/copy.go", "if _, there := ours.Objects[ref]; isNote(ref.Class) && !there {", "if _, there := ours.Objects[ref]; isNote(ref.Class) && !there && !MUT {"},

	// Erasure.
	{"anything is approved", "snapshot/erase.go", "if approval != plan.Approval {", "if approval != plan.Approval && !MUT {"},
	{"erased record stays", "snapshot/erase.go", "if e.has(c.id()) {", "if e.has(c.id()) && !MUT {"},
	{"digest of an erased record stays", "snapshot/erase.go", "now.after = now.after.Remove(hash)", "if !MUT { $ }"},
	{"merged layers stay as they were", "snapshot/erase.go", "p.replaced, changed = nil, true", "if !MUT { $ }"},
	{"parents stay as they were", "snapshot/erase.go", "m.info.Parent, changed = now, true", "if !MUT { $ }"},
	{"keys of what was erased stay", "repo/erase.go", "next.Secrets = slices.DeleteFunc(next.Secrets, func(s seal.Secret) bool { return !s.Lasting })", "if !MUT { $ }"},
	{"what was almost added is looked at late", "repo/erase.go", "state, err := r.keys.mirrored(ctx)", "$\n\tif MUT { state, err = r.keys.load(ctx) }"},
	{"erasure is not noted", "snapshot/erase.go", "return instead, within.keepErasure(ctx, e, out.Erasing)", "if MUT { return instead, nil }\n\t\t\t$"},
	{"what was left since an erasure stays", "snapshot/eraseresume.go", "if err := s.erase(ctx, e, &out); err != nil {", "if MUT { } else $"},
	{"erasure that was cut short is not proven", "snapshot/eraseresume.go", "return out, s.prove(ctx, e, unwanted, &out)", "if MUT { return out, nil }\n\t$"},
	{"frames of an erasure that was cut short are not looked at", "snapshot/eraseresume.go", "unwanted[id] = append(unwanted[id], b.Frames...)", "if !MUT { $ }"},
	{"erasure of other records counts", "snapshot/eraseresume.go", "if e.approval(s.repository.ID(), planned) == approval {", "if MUT || e.approval(s.repository.ID(), planned) == approval {"},
	{"share is left out", "snapshot/verify.go", "return o.Parts == 0 || ", "if MUT { return o.Parts == 0 }\n\t$"},
}
