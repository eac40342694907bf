//! Programs of PyTorch: TorchScript's code, the graphs of torch.export, packages.

use testudo_formats::Verdict;

use super::check;

/// A zip of members without packing, by local headers only: that it has no directory is suspicious.
fn zip(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, data) in members {
        let length = u32::try_from(data.len()).unwrap_or_default().to_le_bytes();
        out.extend(b"PK\x03\x04\x14\0\0\0\0\0\0\0\0\0\0\0\0\0");
        out.extend([length, length].concat());
        out.extend(u16::try_from(name.len()).unwrap_or_default().to_le_bytes());
        out.extend([0, 0]);
        out.extend(name.as_bytes());
        out.extend(*data);
    }
    out
}

pub(super) fn script(line: &str) -> Vec<u8> {
    let code = format!(
        "class M(Module):\n  def forward(self: __torch__.M,\n    x: Tensor) -> Tensor:\n    {line}\n    return x\n"
    );
    zip(&[
        ("m/data.pkl", b"\x80\x02c__torch__\nM\n)\x81}b."),
        ("m/constants.pkl", b"\x80\x02)."),
        ("m/code/__torch__.py", code.as_bytes()),
    ])
}

#[test]
fn operators_of_a_script_are_named() {
    for (line, verdict) in [
        ("x0 = torch.add(torch.linear(x, self.w, None), 1)", Verdict::Suspicious),
        ("_0 = __torch__.torch.nn.functional.relu", Verdict::Suspicious),
        ("ops.prim.RaiseException(\"do not torch.save(x)\")", Verdict::Suspicious),
        ("pass # torch.save", Verdict::Suspicious),
        (
            "p : __torch__.torch.classes.quantized.LinearPackedParamsBase",
            Verdict::Suspicious,
        ),
        ("y = ops.torchvision.nms(x, x, 0.5)", Verdict::Suspicious),
        ("torch.save(x, \"a\")", Verdict::Malicious),
        ("torch . save(x, \"a\")", Verdict::Malicious),
        ("torch.\\\n  save(x, \"a\")", Verdict::Malicious),
        ("s = torch.save\n    s(x, 'it\\'s')", Verdict::Malicious),
        ("y = ops.aten.save(x, \"a\")", Verdict::Malicious),
        ("y = torch.from_file(\"/etc/passwd\", False, 3)", Verdict::Malicious),
        ("y = ops.prim.rpc_sync(\"w\", f, (), {})", Verdict::Malicious),
        ("y = ^Mine()(x)", Verdict::Malicious),
        ("y = ops.c10d.send(x)", Verdict::Unknown),
        ("y = torch.brand_new(x)", Verdict::Unknown),
        ("y = ops.aten.brand_new(x)", Verdict::Unknown),
        ("y = torch.to_here(x)", Verdict::Unknown),
        ("g : __torch__.torch.classes.c10d.ProcessGroup", Verdict::Unknown),
        ("t = torch", Verdict::Unknown),
        ("o = ops.aten", Verdict::Unknown),
        ("getattr(torch, \"save\")(x, \"a\")", Verdict::Unknown),
    ] {
        check("x.pt", &script(line), verdict);
    }
    let unreadable = zip(&[("m/data.pkl", b"\x80\x02N."), ("m/code/__torch__.py", b"\xff\xfe")]);
    check("x.pt", &unreadable, Verdict::Unknown);
    let small = |operator: &str| {
        let length = u8::try_from(operator.len()).unwrap_or_default();
        let text = [&b"\x80\x02X"[..], &[length, 0, 0, 0], operator.as_bytes(), b"q\0."].concat();
        zip(&[("m/data.pkl", b"\x80\x02N."), ("m/bytecode.pkl", &text)])
    };
    check("x.ptl", &small("aten::mul"), Verdict::Suspicious);
    check("x.ptl", &small("aten::save"), Verdict::Malicious);
    check("x.ptl", &small("aten::brand_new"), Verdict::Unknown);
    check("x.ptl", &small("prim::NumToTensor"), Verdict::Suspicious);
}

#[test]
fn steps_of_a_graph_are_named() {
    for (key, text, verdict) in [
        ("target", "\"torch.ops.aten.add.Tensor\"", Verdict::Allowed),
        ("target", "\"torch.ops.higher_order.cond\"", Verdict::Allowed),
        ("target", "\"_operator.floordiv\"", Verdict::Allowed),
        ("target", "\"torch.sym_float\"", Verdict::Allowed),
        ("target", "\"a text\"", Verdict::Allowed),
        ("target", "\"torch.ops.mine.op.default\"", Verdict::Suspicious),
        ("target", "\"torch.ops.aten.brand_new.default\"", Verdict::Unknown),
        (
            "target",
            "\"torch.ops.higher_order.invoke_leaf_function\"",
            Verdict::Unknown,
        ),
        ("target", "\"torch.ops.aten.from_file.default\"", Verdict::Malicious),
        ("target", "\"torch.load\"", Verdict::Malicious),
        ("target", "\"torch.hub.load\"", Verdict::Malicious),
        ("target", "\"torch.nn.Linear\"", Verdict::Unknown),
        (
            "expr_str",
            "\"Mul(Integer(2), Symbol('s17', positive=True, integer=True))\"",
            Verdict::Allowed,
        ),
        ("expr_str", "\"2*s0 + Max(1, u3)//4\"", Verdict::Allowed),
        ("expr_str", "\"__import__('os').system('marker')\"", Verdict::Unknown),
        ("expr_str", "\"Max('exec(1)')\"", Verdict::Unknown),
        ("expr_str", "\"Symbol.mro()\"", Verdict::Unknown),
        ("expr_str", "\"(1).x\"", Verdict::Unknown),
        ("expr_str", "\"s0[0]\"", Verdict::Unknown),
        (
            "guards_code",
            "[\"L['y'].size()[0] == L['x'].size()[0]\"]",
            Verdict::Allowed,
        ),
        ("guards_code", "[]", Verdict::Allowed),
        ("guards_code", "[\"L['x'].size()[0]\", \"exec('x')\"]", Verdict::Unknown),
        ("guards_code", "[\"L['x'].__class__\"]", Verdict::Unknown),
        ("guards_code", "[\"L['x']\\nimport os\"]", Verdict::Unknown),
    ] {
        check("model.json", format!("{{\"{key}\": {text}}}").as_bytes(), verdict);
    }
}

#[test]
fn python_that_runs_on_loading_is_said() {
    let package = zip(&[("p/.data/extern_modules", b"torch"), ("p/mod.py", b"import os")]);
    check("x.pt", &package, Verdict::Unknown);
    let served = zip(&[("MAR-INF/MANIFEST.json", b"{}"), ("handler.py", b"import os")]);
    check("x.mar", &served, Verdict::Unknown);
    check("x.zip", &zip(&[("a.py", b"import os")]), Verdict::Suspicious);
}
