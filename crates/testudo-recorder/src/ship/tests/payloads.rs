//! Payload files on their way to the store: long, growing, damaged.

use std::fs;

use testudo_ledger::payload;

use super::Scene;
use super::log::record;

#[tokio::test]
async fn payloads_beyond_the_checkpoint_stay_behind() {
    let mut scene = Scene::new();
    scene.log.grow(10, "a");
    let all: Vec<u64> = (0..14).collect();
    scene.log.write_payload(0, &all);
    let local = scene.log.path().join(payload::path(0));
    let mut torn = testudo_bounded::read_file(&local, 1 << 20).unwrap();
    torn.extend([0, 0, 1]);
    fs::write(&local, torn).unwrap();
    scene.shipper().pass().await.unwrap();
    let shipped = scene
        .faulty
        .content(&format!("a/b/{}", payload::path(0)))
        .await
        .unwrap();
    let covered: Vec<u8> = (0..10).flat_map(record).collect();
    assert_eq!(shipped, covered);
}

#[tokio::test]
async fn a_damaged_payload_file_does_not_replace_the_whole_one() {
    let mut scene = Scene::new();
    scene.log.grow(10, "a");
    scene.shipper().pass().await.unwrap();
    let local = scene.log.path().join(payload::path(0));
    let faulty = scene.faulty.clone();
    let shipped = || faulty.content("a/b/payload/000");
    let whole = shipped().await.unwrap();
    scene.log.grow(5, "a");
    let good = testudo_bounded::read_file(&local, 1 << 20).unwrap();
    let third = 3 * record(0).len();
    // The length's highest and lowest byte, the mark, the index; and the file's end is missing.
    for at in [Some(0), Some(3), Some(4), Some(15), None] {
        let mut bad = good.clone();
        match at {
            Some(at) => bad[third + at] ^= 1,
            None => bad.truncate(third + 8),
        }
        fs::write(&local, bad).unwrap();
        scene.shipper().pass().await.unwrap_err();
        assert!(shipped().await.unwrap() == whole, "{at:?}");
    }
    fs::write(&local, &good).unwrap();
    scene.shipper().pass().await.unwrap();
    assert!(shipped().await.unwrap() == good);
}

#[tokio::test]
async fn a_payload_file_of_many_parts_arrives_whole() {
    let mut scene = Scene::new();
    scene.log.grow(3, "a");
    let long: Vec<u8> = (0..20_000_000_u32).map(|it| u8::try_from(it % 251).unwrap()).collect();
    let head = [b"TSP1".as_slice(), &1_u64.to_be_bytes()].concat();
    let len = u32::try_from(head.len() + long.len()).unwrap();
    let file = [&len.to_be_bytes(), head.as_slice(), &long].concat();
    fs::write(scene.log.path().join(payload::path(0)), &file).unwrap();
    scene.shipper().pass().await.unwrap();
    let shipped = scene
        .faulty
        .content(&format!("a/b/{}", payload::path(0)))
        .await
        .unwrap();
    assert!(shipped == file);
}
