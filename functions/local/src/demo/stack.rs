//! Exceptions as each language prints them. Line numbers move with every release, as they do in real code.

use super::service::Release;

/// What an instrumentation records of an exception.
pub(super) struct Exception {
    pub(super) kind: &'static str,
    pub(super) message: String,
    pub(super) stack: String,
}

/// Ruby, `payment`: a provider did not answer in time.
pub(super) fn provider_timed_out(provider: &str, release: Release) -> Exception {
    let line = [41, 47][release as usize];
    let message = format!("Net::ReadTimeout with #<TCPSocket:(closed)> (api.{provider}.example:443)");
    let stack = format!(
        "/usr/local/lib/ruby/3.4.0/net/protocol.rb:229:in 'Net::BufferedIO#rbuf_fill': {message} (Net::ReadTimeout)
	from /usr/local/lib/ruby/3.4.0/net/protocol.rb:199:in 'Net::BufferedIO#readuntil'
	from /usr/local/lib/ruby/3.4.0/net/http/response.rb:158:in 'Net::HTTPResponse.read_status_line'
	from /usr/local/bundle/gems/faraday-net_http-3.4.1/lib/faraday/adapter/net_http.rb:66:in 'Faraday::Adapter::NetHttp#perform_request'
	from /app/lib/payment/providers/http_provider.rb:{line}:in 'Payment::Providers::HttpProvider#charge'
	from /app/lib/payment/charge_card.rb:{}:in 'Payment::ChargeCard#call'
	from /app/app/rpc/payment_service.rb:22:in 'PaymentService#charge'",
        line - 16
    );
    Exception { kind: "Net::ReadTimeout", message, stack }
}

/// Java, `checkout`: the call to `payment` failed.
pub(super) fn payment_unavailable(order: &str) -> Exception {
    let message = "UNAVAILABLE: card provider did not answer within 10 s".to_owned();
    let stack = format!(
        "io.grpc.StatusRuntimeException: {message}
	at io.grpc.stub.ClientCalls.toStatusRuntimeException(ClientCalls.java:351)
	at io.grpc.stub.ClientCalls.getUnchecked(ClientCalls.java:332)
	at io.grpc.stub.ClientCalls.blockingUnaryCall(ClientCalls.java:174)
	at example.shop.payment.v1.PaymentGrpc$PaymentBlockingStub.charge(PaymentGrpc.java:196)
	at example.shop.checkout.PaymentClient.charge(PaymentClient.java:58)
	at example.shop.checkout.OrderService.place(OrderService.java:121)
	at example.shop.checkout.OrderController.create(OrderController.java:44)
	at java.base/jdk.internal.reflect.DirectMethodHandleAccessor.invoke(DirectMethodHandleAccessor.java:104)
	at java.base/java.lang.reflect.Method.invoke(Method.java:565)
	at org.springframework.web.method.support.InvocableHandlerMethod.doInvoke(InvocableHandlerMethod.java:258)
	at java.base/java.lang.Thread.run(Thread.java:1474)
	Suppressed: example.shop.checkout.OrderNotPaid: order {order} stays open"
    );
    Exception { kind: "io.grpc.StatusRuntimeException", message, stack }
}

/// Node, `web`: the gateway answered 5xx.
pub(super) fn bad_gateway(path: &str, release: Release) -> Exception {
    let line = [88, 93][release as usize];
    let message = format!("gateway answered 502 for {path}");
    let stack = format!(
        "UpstreamError: {message}
    at fetchFromGateway (/app/.next/server/chunks/gateway.js:{line}:11)
    at process.processTicksAndRejections (node:internal/process/task_queues:105:5)
    at async placeOrder (/app/.next/server/app/api/checkout/route.js:31:19)
    at async AppRouteRouteModule.do (/app/node_modules/next/dist/compiled/next-server/app-route.runtime.prod.js:6:34112)"
    );
    Exception { kind: "UpstreamError", message, stack }
}

/// Python, `recommendation`: the language model's answer could not be read.
pub(super) fn answer_not_json(position: u64) -> Exception {
    let message = format!("Expecting ',' delimiter: line 1 column {position} (char {})", position - 1);
    let stack = format!(
        "Traceback (most recent call last):
  File \"/app/recommendation/suggest.py\", line 74, in explain
    reasons = json.loads(completion.text)
  File \"/usr/local/lib/python3.14/json/__init__.py\", line 352, in loads
    return _default_decoder.decode(s)
           ~~~~~~~~~~~~~~~~~~~~~~~^^^
  File \"/usr/local/lib/python3.14/json/decoder.py\", line 345, in decode
    obj, end = self.raw_decode(s, idx=_w(s, 0).end())
json.decoder.JSONDecodeError: {message}
"
    );
    Exception { kind: "json.decoder.JSONDecodeError", message, stack }
}

/// C#, `cart`: Redis was too slow.
pub(super) fn redis_timed_out(key: &str, elapsed_ms: u64) -> Exception {
    let message =
        format!("Timeout performing HGETALL ({elapsed_ms}ms), next: HGETALL {key}, inst: 0, qu: 0, qs: 3, aw: False");
    let stack = format!(
        "StackExchange.Redis.RedisTimeoutException: {message}
   at StackExchange.Redis.ConnectionMultiplexer.ExecuteAsyncImpl[T](Message message, ResultProcessor`1 processor, Object state, ServerEndPoint server)
   at Shop.Cart.RedisCartStore.LoadAsync(String userId) in /src/Cart/RedisCartStore.cs:line 63
   at Shop.Cart.CartEndpoints.<>c.<<Map>b__0_1>d.MoveNext() in /src/Cart/CartEndpoints.cs:line 29
--- End of stack trace from previous location ---
   at Microsoft.AspNetCore.Http.RequestDelegateFactory.<ExecuteTaskResult>g__ExecuteAwaited|141_0[T](Task`1 task, HttpContext httpContext)"
    );
    Exception { kind: "StackExchange.Redis.RedisTimeoutException", message, stack }
}

/// PHP, `shipping`: the carrier refused an address.
pub(super) fn address_refused(parcel: u64) -> Exception {
    let message = format!("Carrier refused parcel {parcel}: postal code does not match city");
    let stack = format!(
        "Shop\\Shipping\\CarrierException: {message} in /srv/app/src/Carrier/SwiftParcel.php:87
Stack trace:
#0 /srv/app/src/ShipOrder.php(52): Shop\\Shipping\\Carrier\\SwiftParcel->order(Object(Shop\\Shipping\\Parcel))
#1 /srv/app/src/Worker.php(31): Shop\\Shipping\\ShipOrder->__invoke(Object(RdKafka\\Message))
#2 /srv/app/bin/worker.php(14): Shop\\Shipping\\Worker->run()
#3 {{main}}"
    );
    Exception { kind: "Shop\\Shipping\\CarrierException", message, stack }
}
