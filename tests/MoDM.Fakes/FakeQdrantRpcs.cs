using Google.Protobuf;
using Google.Protobuf.Reflection;
using Grpc.Core;

namespace MoDM.Fakes;

/// <summary>
/// RPCs of one of Qdrant's services, bound by hand: Qdrant.Client carries the messages and descriptors, and no base class for a
/// server. What is not bound is answered with Unimplemented.
/// </summary>
internal sealed class FakeQdrantRpcs(ServiceDescriptor service, FakeQdrantRpcs.Around around)
{
    private static readonly string[] Unknown = ["shard_key_selector", "sparse_indices"];

    private readonly ServerServiceDefinition.Builder _builder = ServerServiceDefinition.CreateBuilder();

    /// <summary>What happens before and after every call. The name is as on the wire: "Points/Upsert".</summary>
    public delegate Task<IMessage> Around(string rpc, ServerCallContext context, Func<IMessage> answer);

    public FakeQdrantRpcs Add<TRequest, TResponse>(string name, Func<TRequest, TResponse> answer)
        where TRequest : class, IMessage<TRequest>, new()
        where TResponse : class, IMessage<TResponse>, new()
    {
        var rpc = service.FindMethodByName(name);
        if (rpc?.InputType.ClrType != typeof(TRequest) || rpc.OutputType.ClrType != typeof(TResponse))
            throw new InvalidOperationException($"{service.FullName}/{name} is not from {typeof(TRequest)} to {typeof(TResponse)}");
        _builder.AddMethod(
            new Method<TRequest, TResponse>(MethodType.Unary, service.FullName, name, Marshaller<TRequest>(), Marshaller<TResponse>()),
            async (request, context) => (TResponse)await around($"{service.Name}/{name}", context, () =>
            {
                CheckKnown(rpc.InputType, request);
                return answer(request);
            }));
        return this;
    }

    public ServerServiceDefinition Build() => _builder.Build();

    private static void CheckKnown(MessageDescriptor type, IMessage request)
    {
        if (Array.Find(Unknown, field => type.FindFieldByName(field)?.Accessor.HasValue(request) == true) is { } unknown)
            throw FakeQdrantRefusal.Unimplemented(unknown);
    }

    private static Marshaller<T> Marshaller<T>() where T : class, IMessage<T>, new()
    {
        var parser = new MessageParser<T>(() => new T());
        return Marshallers.Create(message => message.ToByteArray(), bytes => parser.ParseFrom(bytes));
    }
}
