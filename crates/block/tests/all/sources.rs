//! Heap, anonymous maps, temporary files, and memory of one's own.

use std::alloc::Layout;
use std::sync::{Arc, Mutex};

use epoch_arena_block::{
    AnonymousMap, Heap, Memory, MemoryError, Pages, Region, Source, SourceError, TempFile,
};

use crate::support::{Fault, Faulty};

fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).expect("a valid layout")
}

/// The heap, which notes the pages that it is asked for.
#[derive(Clone, Debug, Default)]
struct Noted(Arc<Mutex<Vec<Pages>>>);

impl Source for Noted {
    fn acquire(&self, layout: Layout, pages: Pages) -> Result<Region, SourceError> {
        self.0.lock().unwrap().push(pages);
        Heap.acquire(layout, pages)
    }
}

/// The first bytes of a memory are on small pages, so that a few keys take a few of them.
#[test]
fn huge_pages_are_asked_for_from_the_bytes_on_that_the_builder_says() {
    const BLOCK: usize = 64 << 10;
    use Pages::{Huge, Small};
    for (from, expected) in [
        (0, [Huge; 4]),
        (BLOCK, [Small, Huge, Huge, Huge]),
        (3 * BLOCK, [Small, Small, Small, Huge]),
        (usize::MAX, [Small; 4]),
    ] {
        let noted = Noted::default();
        let builder = Memory::builder().source(noted.clone()).block_size(BLOCK);
        let memory = builder.huge_pages_from(from).high_water(0).build().unwrap();
        for _ in 0..2 {
            let blocks: Vec<_> = (0..4).map(|_| memory.block(1).unwrap()).collect();
            drop(blocks);
        }
        // The bytes reserved decide, so a memory that has shrunk begins with small ones again.
        assert_eq!(
            *noted.0.lock().unwrap(),
            [expected, expected].concat(),
            "{from}"
        );
    }
    let noted = Noted::default();
    let memory = Memory::builder().source(noted.clone()).build().unwrap();
    let _two = [(); 2].map(|()| memory.block(1).unwrap());
    if memory.block_size() == 2 << 20 {
        assert_eq!(*noted.0.lock().unwrap(), [Small, Huge], "by default");
    }
}

/// A directory of this test's own, gone with it.
struct Dir(std::path::PathBuf);

impl Dir {
    fn new(name: &str) -> Self {
        let name = format!("epoch-arena-test-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).expect("the temporary directory is writable");
        Self(path)
    }

    fn entries(&self) -> usize {
        std::fs::read_dir(&self.0).expect("it is there").count()
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Fills every byte and finds it again.
fn write_all(source: impl Source, size: usize) {
    let memory = Memory::builder()
        .source(source)
        .block_size(size)
        .build()
        .unwrap();
    let block = memory.block(1).unwrap();
    let pattern: Vec<u8> = (0..size).map(|at| (at % 251) as u8).collect();
    let bytes = block.alloc_copy(&pattern).unwrap();
    assert_eq!(bytes, pattern);
}

#[test]
fn every_source_gives_memory_that_holds_what_is_written() {
    write_all(Heap, 64 << 10);
    write_all(Faulty::default(), 64 << 10);
    if cfg!(miri) {
        return; // no maps of files there
    }
    write_all(AnonymousMap::new(), 2 << 20);
    write_all(AnonymousMap::new().huge_pages(false), 64 << 10);
    write_all(
        AnonymousMap::new().huge_pages(false).populate(true),
        64 << 10,
    );
    write_all(TempFile::new(), 64 << 10);
}

#[test]
fn a_region_is_empty_if_it_has_no_bytes() {
    for bytes in [0, 1, 64] {
        let region = Heap.acquire(layout(bytes, 1), Pages::Small).unwrap();
        assert_eq!((region.len(), region.is_empty()), (bytes, bytes == 0));
    }
}

/// Huge pages apply to 2 MiB-aligned memory only.
#[test]
#[cfg_attr(miri, ignore = "Miri's maps are small")]
fn anonymous_maps_of_a_huge_page_or_more_are_aligned_to_it() {
    let regions: Vec<_> = [2, 2, 4, 6, 18]
        .map(|mebibytes| AnonymousMap::new().acquire(layout(mebibytes << 20, 4096), Pages::Huge))
        .into_iter()
        .collect::<Result<_, _>>()
        .unwrap();
    for region in &regions {
        assert_eq!(region.base().addr().get() % (2 << 20), 0, "{region:?}");
    }
    for shift in [0, 12, 13, 21, 25] {
        let region = AnonymousMap::new()
            .acquire(layout(5000, 1 << shift), Pages::Small)
            .unwrap();
        assert_eq!(region.base().addr().get() % (1 << shift), 0);
        assert_eq!(region.len(), 5000);
    }
}

/// `hg` and `nh` are what Linux shows of a map that was advised to have huge pages, and to have none.
#[test]
#[cfg(target_os = "linux")]
#[cfg_attr(miri, ignore = "advice is the kernel's")]
fn huge_pages_are_advised_for_large_maps_where_they_are_asked_for() {
    let advised = |source: AnonymousMap, bytes, pages| {
        let region = source.acquire(layout(bytes, 4096), pages).unwrap();
        let starts = format!("{:x}-", region.base().addr());
        let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let of_map = maps.lines().skip_while(|line| !line.starts_with(&starts));
        let mut flags = of_map.filter_map(|line| line.strip_prefix("VmFlags:"));
        let flags = flags.next().expect("the map is listed, alone").to_owned();
        ["hg", "nh"].map(|flag| flags.split_whitespace().any(|one| one == flag))
    };
    if !std::path::Path::new("/sys/kernel/mm/transparent_hugepage").exists() {
        return; // a kernel without them
    }
    let (yes, no) = ([true, false], [false, true]);
    let source = AnonymousMap::new;
    assert_eq!(advised(source(), 4 << 20, Pages::Huge), yes);
    assert_eq!(advised(source(), 2 << 20, Pages::Huge), yes);
    assert_eq!(advised(source(), 4 << 20, Pages::Small), no);
    assert_eq!(advised(source(), 1 << 20, Pages::Huge), no);
    assert_eq!(
        advised(source().huge_pages(false), 4 << 20, Pages::Huge),
        no
    );
}

#[test]
#[cfg(target_os = "linux")]
#[cfg_attr(miri, ignore = "residency is the kernel's")]
fn populate_faults_everything_in_and_without_it_nothing_is() {
    let size = 4 << 20;
    let fresh = AnonymousMap::new()
        .acquire(layout(size, 4096), Pages::Huge)
        .unwrap();
    assert_eq!(fresh.resident(), Some(0));
    for huge in [false, true] {
        let full = AnonymousMap::new().huge_pages(huge).populate(true);
        let full = full.acquire(layout(size, 4096), Pages::Huge).unwrap();
        assert_eq!(full.resident(), Some(size));
    }
}

#[test]
#[cfg_attr(miri, ignore = "Miri maps no files")]
fn a_temporary_file_has_no_name_while_it_is_used_nor_after() {
    let dir = Dir::new("nameless");
    let source = TempFile::in_dir(&dir.0);
    let memory = Memory::builder()
        .source(source)
        .high_water(0)
        .build()
        .unwrap();
    let block = memory.block(1).unwrap();
    let bytes = block.alloc_copy(b"on disk").unwrap();
    assert_eq!(dir.entries(), 0, "unlinked before it is used");
    assert_eq!(bytes, b"on disk");
    drop(block);
    assert_eq!((dir.entries(), memory.stats().reserved), (0, 0));
}

/// A file keeps its name if its process is killed between making and unlinking it, and its number may come again.
#[test]
#[cfg_attr(miri, ignore = "Miri maps no files")]
fn names_of_files_that_were_left_behind_are_passed_over() {
    const LEFT: usize = 1_000;
    let dir = Dir::new("left");
    for number in 0..LEFT {
        let name = format!(".epoch-arena-{}-{number}", std::process::id());
        std::fs::write(dir.0.join(name), b"left").unwrap();
    }
    write_all(TempFile::in_dir(&dir.0), 64 << 10);
    assert_eq!(dir.entries(), LEFT);
}

#[test]
#[cfg_attr(miri, ignore = "Miri maps no files")]
fn a_directory_that_is_not_there_is_an_error_of_the_system() {
    let source = TempFile::in_dir("/nonexistent/epoch-arena");
    let memory = Memory::builder().source(source).build().unwrap();
    let refused = memory.block(1).unwrap_err();
    assert_eq!(refused, MemoryError::Source(SourceError::Os(2))); // ENOENT
    assert!(refused.to_string().contains("No such file"), "{refused}");
    assert_eq!(memory.stats().reserved, 0);
}

/// `size + align` of a map that must be over-mapped.
#[test]
#[cfg_attr(miri, ignore = "Miri's heap aborts on what its machine cannot have")]
fn sizes_that_cannot_be_are_errors_of_every_source() {
    let largest = layout(isize::MAX as usize - 4095, 4096);
    let aligned = layout(4096, 1 << 62);
    let sources: [Box<dyn Source>; 3] = [
        Box::new(Heap),
        Box::new(AnonymousMap::new()),
        Box::new(TempFile::new()),
    ];
    for source in sources {
        for layout in [largest, aligned] {
            let refused = source.acquire(layout, Pages::Small).unwrap_err();
            let expected = matches!(
                refused,
                SourceError::OutOfMemory | SourceError::Os(_) | SourceError::TooLarge
            );
            assert!(expected, "{source:?}: {refused:?}");
        }
    }
}

/// A source that breaks its contract is refused before any byte of its memory is touched, and gets it
/// back.
#[test]
fn unsuitable_regions_are_refused_and_given_back() {
    for (fault, expected) in [
        (Fault::Short, SourceError::Unsuitable),
        (Fault::Long, SourceError::Unsuitable),
        (Fault::Misaligned, SourceError::Unsuitable),
    ] {
        let source = Faulty::default();
        source.fail_once(1, fault);
        let memory = Memory::builder()
            .source(source.clone())
            .block_size(8192)
            .build()
            .unwrap();
        let refused = memory.block(1).unwrap_err();
        assert_eq!(refused, MemoryError::Source(expected), "{fault:?}");
        assert_eq!((memory.stats().reserved, source.regions()), (0, 0));
        assert!(memory.block(1).is_ok());
    }
}
