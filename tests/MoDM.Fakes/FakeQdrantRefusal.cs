using Grpc.Core;

namespace MoDM.Fakes;

/// <summary>Refusals in Qdrant's words: its StorageError and the gRPC code that each kind becomes.</summary>
internal static class FakeQdrantRefusal
{
    public static RpcException BadInput(string what) => Of(StatusCode.InvalidArgument, $"Wrong input: {what}");

    public static RpcException BadRequest(string what) => Of(StatusCode.InvalidArgument, $"Bad request: {what}");

    public static RpcException StrictMode(string what, string help) => BadRequest($"{what}. Help: {help}");

    public static RpcException NotFound(string what) => Of(StatusCode.NotFound, $"Not found: {what}");

    public static RpcException AlreadyExists(string what) => Of(StatusCode.AlreadyExists, $"Wrong input: {what}");

    public static RpcException Unauthenticated(string what) => Of(StatusCode.Unauthenticated, what);

    /// <summary>What cannot be read as a request; Qdrant puts nothing before these.</summary>
    public static RpcException Malformed(string what) => Of(StatusCode.InvalidArgument, what);

    /// <summary>A field out of its bounds.</summary>
    public static RpcException Invalid(string field, string problem) =>
        Of(StatusCode.InvalidArgument, $"Validation error in body: [{field}: {problem}]");

    /// <summary>The real one can do this; the fake cannot, and says so instead of answering wrongly.</summary>
    public static RpcException Unimplemented(string what) => Of(StatusCode.Unimplemented, $"FakeQdrant cannot do this: {what}");

    public static RpcException Of(StatusCode code, string message) => new(new Status(code, message));
}
