"""Table and bucket: what is kept, and what never goes by itself."""

from promises.seen import names


def the_table_is_kept_and_recoverable(seen):
    table = seen.properties("Table")
    wanted = {
        "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        "AttributeDefinitions": [{"AttributeName": n, "AttributeType": "S"} for n in ["pk", "sk"]],
        "TimeToLiveSpecification": {"AttributeName": "ttl", "Enabled": True},
        "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
        "SSESpecification": {"SSEEnabled": True},
        "DeletionProtectionEnabled": True,
    }
    for what, value in wanted.items():
        if table.get(what) != value:
            yield f"{what} is {table.get(what)}"


def stores_outlive_the_stack(seen):
    for name in ["Table", "Bucket", "BucketPolicy", "AdminKeySecret"]:
        resource = seen.resources.get(name, {})
        if (resource.get("DeletionPolicy"), resource.get("UpdateReplacePolicy")) != ("Retain", "Retain"):
            yield f"{name} goes with the stack or with a replacement"


def the_bucket_is_private_and_encrypted(seen):
    bucket = seen.properties("Bucket")
    block = bucket.get("PublicAccessBlockConfiguration", {})
    for what in ["BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"]:
        if block.get(what) is not True:
            yield f"{what} is {block.get(what)}"
    if bucket.get("OwnershipControls") != {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}:
        yield "objects may belong to others"
    rules = bucket.get("BucketEncryption", {}).get("ServerSideEncryptionConfiguration", [])
    if [r["ServerSideEncryptionByDefault"]["SSEAlgorithm"] for r in rules] not in (["AES256"], ["aws:kms"]):
        yield "objects are not encrypted"
    for other in seen.of_type("AWS::S3::Bucket").keys() - {"Bucket"}:
        yield f"{other} is not looked at"


def the_bucket_speaks_tls_only(seen):
    denied = [
        s
        for p in seen.of_type("AWS::S3::BucketPolicy").values()
        for s in p["PolicyDocument"]["Statement"]
        if s["Effect"] == "Deny"
        and s["Principal"] == "*"
        and s["Action"] == "s3:*"
        and s.get("Condition") == {"Bool": {"aws:SecureTransport": "false"}}
        and [list(names(r)) for r in s["Resource"]] == [["Bucket"], ["Bucket"]]
    ]
    if len(denied) != 1:
        yield "plain HTTP is not denied"


def only_aborted_uploads_expire(seen):
    rules = seen.properties("Bucket").get("LifecycleConfiguration", {}).get("Rules", [])
    aborted = [r for r in rules if "AbortIncompleteMultipartUpload" in r and r["Status"] == "Enabled"]
    if len(aborted) != 1:
        yield "aborted multipart uploads stay for ever"
    for rule in rules:
        other = rule.keys() - {"Id", "Status", "AbortIncompleteMultipartUpload"}
        if other:
            yield f"rule {rule.get('Id')} says {sorted(other)}: objects are removed by the ledger's cleaner alone"
