//! Golden samples: the stored hashes must not move.

use super::*;

struct Sample {
    name: &'static str,
    kind: &'static str,
    stack: &'static str,
    /// File and function that the hash is over.
    frame: (&'static str, &'static str),
}

const SAMPLES: &[Sample] = &[
    Sample {
        name: "python",
        kind: "ValueError",
        stack: r#"Traceback (most recent call last):
  File "/usr/local/lib/python3.12/site-packages/flask/app.py", line 1488, in wsgi_app
    response = self.full_dispatch_request()
  File "/app/shop/views.py", line 42, in checkout
    charge(card)
  File "/app/shop/payment.py", line 17, in charge
    gateway.post(card)
  File "/usr/local/lib/python3.12/site-packages/requests/api.py", line 59, in request
    return session.request(method=method, url=url, **kwargs)
ValueError: bad card 4711
"#,
        frame: ("/app/shop/payment.py", "charge"),
    },
    Sample {
        name: "java",
        kind: "java.lang.IllegalStateException",
        stack: "java.lang.IllegalStateException: cart 17 is closed
\tat java.base/java.util.Objects.requireNonNull(Objects.java:246)
\tat com.shop.Cart.lambda$add$3(Cart.java:17)
\tat app//com.shop.Main.main(Main.java:5)
\tat org.springframework.boot.Launcher.run(Launcher.java:50)
Caused by: java.lang.NullPointerException
\t... 12 more
",
        frame: ("Cart.java", "com.shop.Cart.lambda$add$0"),
    },
    Sample {
        name: "node",
        kind: "TypeError",
        stack: "TypeError: Cannot read properties of undefined (reading 'id')
    at Array.map (<anonymous>)
    at Layer.handle [as handle_request] (/app/node_modules/express/lib/router/layer.js:95:5)
    at async CartService.checkout [as run] (/app/src/cart.js:10:15)
    at process.processTicksAndRejections (node:internal/process/task_queues:95:5)
",
        frame: ("/app/src/cart.js", "CartService.checkout"),
    },
    Sample {
        name: "browser, V8",
        kind: "Error",
        stack: "Error: x
    at https://shop.example/assets/index-3f2a9c01.js?v=2:1:2345
    at HTMLButtonElement.<anonymous> (https://shop.example/assets/vendor-1.js:2:3)",
        frame: ("https://shop.example/assets/index-#.js", "<anonymous>"),
    },
    Sample {
        name: "browser, Firefox",
        kind: "Error",
        stack: "checkout@https://shop.example/static/app.js:10:15\n@https://shop.example/static/app.js:99:1\n",
        frame: ("https://shop.example/static/app.js", "checkout"),
    },
    Sample {
        name: "go",
        kind: "*errors.errorString",
        stack: "goroutine 18 [running]:
runtime/debug.Stack()
\t/usr/local/go/src/runtime/debug/stack.go:24 +0x5e
panic({0x4a1b20?, 0x54e2c0?})
\t/usr/local/go/src/runtime/panic.go:884 +0x213
github.com/jackc/pgx/v5.(*Conn).Query(0xc0000b2000, {0x54, 0x1})
\t/go/pkg/mod/github.com/jackc/pgx/v5@v5.4.3/conn.go:651 +0x1d
main.(*Cart).Add(0xc0000b2000, 0x11)
\t/src/shop/cart.go:17 +0x1d
created by main.main.func1 in goroutine 1
\t/src/shop/main.go:9 +0x25
",
        frame: ("/src/shop/cart.go", "main.(*Cart).Add"),
    },
    Sample {
        name: "rust",
        kind: "panic",
        stack: "   0: std::backtrace::Backtrace::create
             at /rustc/59807616e1fa2540724bfbac14d7976d7e4a3860/library/std/src/backtrace.rs:331:13
   1: core::option::unwrap_failed
   2: shop::cart::Cart::add::h0123456789abcdef
             at ./src/cart.rs:17:5
   3: tokio::runtime::task::raw::poll
             at /root/.cargo/registry/src/mirror-6f17d22bba15001f/tokio-1.38.0/src/runtime/task/raw.rs:271:5
",
        frame: ("./src/cart.rs", "shop::cart::Cart::add"),
    },
    Sample {
        name: "rust, no places",
        kind: "panic",
        stack: "   0: std::panicking::begin_panic\n   1: shop::cart::Cart::add\n   2: main\n",
        frame: ("", "shop::cart::Cart::add"),
    },
    Sample { name: "rust, one frame", kind: "panic", stack: "   0: main_loop::turn", frame: ("", "main_loop::turn") },
    Sample {
        name: "go, trimmed paths",
        kind: "panic",
        stack: "goroutine 1 [running]:
net/http.(*conn).serve(0xc0000b2000)
\tnet/http/server.go:17 +0x1d
github.com/shop/cart/v2.Add[...](...)
\tgithub.com/shop/cart/v2@v2.0.1/add.go:17
github.com/shop/web.handle(0x1)
\tgithub.com/shop/web/handle.go:42 +0x2
",
        frame: ("github.com/shop/web/handle.go", "github.com/shop/web.handle"),
    },
    Sample {
        name: "go, built in the image's GOPATH",
        kind: "panic",
        stack: "main.main()\n\t/go/src/app/main.go:17 +0x1d\n",
        frame: ("/go/src/app/main.go", "main.main"),
    },
    Sample {
        name: "python, exception group",
        kind: "ExceptionGroup",
        stack: "  + Exception Group Traceback (most recent call last):
  |   File \"/app/shop/group.py\", line 17, in gather
  |     raise ExceptionGroup(\"x\", errors)
  | ExceptionGroup: x (2 sub-exceptions)
",
        frame: ("/app/shop/group.py", "gather"),
    },
    Sample {
        name: ".net",
        kind: "System.InvalidOperationException",
        stack: "System.InvalidOperationException: Sequence contains no elements
   at System.Linq.ThrowHelper.ThrowNoElementsException()
   at System.Linq.Enumerable.First[TSource](IEnumerable`1 source)
   at Shop.Cart.<AddAsync>d__5.MoveNext() in /src/Shop/Cart.cs:line 42
--- End of stack trace from previous location ---
   at Shop.Program.Main(String[] args) in /src/Shop/Program.cs:line 7",
        frame: ("/src/Shop/Cart.cs", "Shop.Cart.<AddAsync>d__0.MoveNext"),
    },
    Sample {
        name: ".net, no places",
        kind: "System.ArgumentOutOfRangeException",
        stack: "   at System.Collections.Generic.List`1.get_Item(Int32 index)\n   at Shop.Cart.Add(Item item)\n",
        frame: ("", "Shop.Cart.Add"),
    },
    Sample {
        name: "ruby",
        kind: "NoMethodError",
        stack: "/usr/lib/ruby/gems/3.1.0/gems/activerecord-7.0.4/lib/active_record/core.rb:5:in `find'
/app/models/cart.rb:17:in `block in add'
\tfrom /app/controllers/carts_controller.rb:3:in `create'
",
        frame: ("/app/models/cart.rb", "block in add"),
    },
    Sample {
        name: "ruby 3.4",
        kind: "NoMethodError",
        stack: "/app/models/cart.rb:17:in 'Cart#add'\n",
        frame: ("/app/models/cart.rb", "Cart#add"),
    },
    Sample {
        name: "php",
        kind: "RuntimeException",
        stack: r"#0 /app/vendor/laravel/framework/src/Illuminate/Routing/Router.php(12): Illuminate\Routing\Router->run(Object(Request))
#1 [internal function]: array_map(Object(Closure))
#2 /app/src/Cart.php(17): Shop\Cart->add(Object(Shop\Item))
#3 {main}",
        frame: ("/app/src/Cart.php", r"Shop\Cart->add"),
    },
];

fn hash(kind: &str, message: &str, stack: &str) -> String {
    Exception::new(kind.as_bytes(), message.as_bytes(), stack.as_bytes()).hash(b"shop")
}

#[test]
fn the_nearest_own_frame_is_found_in_every_language() {
    for sample in SAMPLES {
        let frame = frames::nearest(sample.stack).unwrap_or_else(|| panic!("{}: no frame", sample.name));
        assert_eq!(
            (mask(frame.file), mask(frame.function)),
            (sample.frame.0.into(), sample.frame.1.into()),
            "{}",
            sample.name
        );
    }
}

#[test]
fn the_same_error_after_a_line_shift_has_the_same_hash() {
    for sample in SAMPLES {
        // Every number moves; names with digits in them would be other names.
        let numbers: [(&str, &str); 4] = [("17", "24"), ("42", "57"), (":10:15", ":11:3"), (":1:2345", ":1:9876")];
        let shifted = numbers.iter().fold(sample.stack.to_owned(), |stack, (from, to)| stack.replace(from, to));
        assert_eq!(hash(sample.kind, "", sample.stack), hash(sample.kind, "other", &shifted), "{}", sample.name);
    }
}

#[test]
fn another_function_file_type_or_service_gives_another_hash() {
    for sample in SAMPLES {
        let own = hash(sample.kind, "", sample.stack);
        assert_ne!(own, hash("Other", "", sample.stack), "{}: type", sample.name);
        let elsewhere = Exception::new(sample.kind.as_bytes(), b"", sample.stack.as_bytes()).hash(b"other service");
        assert_ne!(own, elsewhere, "{}: service", sample.name);
        let frame = frames::nearest(sample.stack).expect("found above");
        if frame.function == "<anonymous>" {
            continue;
        }
        let renamed = sample.stack.replace(frame.function, &frame.function.replacen(['a', 'c', 'n'], "x", 1));
        assert_ne!(own, hash(sample.kind, "", &renamed), "{}: function", sample.name);
    }
}

#[test]
fn without_frames_the_masked_message_counts() {
    let own = hash("E", "order 17 of user 3f2a9c01 failed", "");
    assert_eq!(own, hash("E", "order 18 of user 77aa9c0b failed", "no frames here\nnor here: at all"));
    assert_ne!(own, hash("E", "payment 17 of user 3f2a9c01 failed", ""));
    assert_eq!(hash("E", &"ü".repeat(5_000), ""), hash("E", &"ü".repeat(6_000), ""), "only so much of it counts");
}

#[test]
fn a_stack_of_libraries_only_counts_by_its_nearest_frame() {
    let stack =
        "E\n\tat java.util.Objects.requireNonNull(Objects.java:246)\n\tat java.lang.Thread.run(Thread.java:5)\n";
    assert_eq!(frames::nearest(stack).expect("a frame").function, "java.util.Objects.requireNonNull");
}

#[test]
fn of_chained_python_errors_the_last_counts() {
    let stack = "Traceback (most recent call last):\n  File \"/app/a.py\", line 1, in first\nKeyError: 'a'\n\n\
        During handling of the above exception, another exception occurred:\n\n\
        Traceback (most recent call last):\n  File \"/app/b.py\", line 2, in second\nValueError: b\n";
    assert_eq!(frames::nearest(stack).expect("a frame").function, "second");
}

#[test]
fn a_huge_stack_is_read_at_both_ends_only() {
    let middle = "  File \"/usr/lib/python3/x.py\", line 1, in deep\n".repeat(1 << 18);
    let stack = format!("{middle}  File \"/app/a.py\", line 1, in last\nE: x\n");
    assert_eq!(frames::nearest(&stack).expect("a frame").function, "last");
    assert!(frames::nearest(&"ü".repeat(1 << 20)).is_none());
}

#[test]
fn stored_hashes_do_not_move() {
    let hashes: Vec<String> = SAMPLES.iter().map(|sample| hash(sample.kind, "", sample.stack)).collect();
    assert_eq!(hashes, GOLDEN);
}

const GOLDEN: &[&str] = &[
    "err:8f07eec2ad6f254f",
    "err:cd7da9c3db9be8b4",
    "err:faaed1f74e46ea46",
    "err:703de02018a7a05c",
    "err:bf4fdca5133cd63b",
    "err:59a934db37145c8e",
    "err:94e6a15cd3d2d443",
    "err:71e111646fb2ea3a",
    "err:9d08c30d87a7d1a0",
    "err:3577eecfe822dbed",
    "err:0c728421232697a1",
    "err:48673824844cabf4",
    "err:1766498f2c8fbf44",
    "err:f7b35012413e2a68",
    "err:8cb6d39cd7083511",
    "err:929c54b5853f00d1",
    "err:e628a9a5b98dc565",
];
