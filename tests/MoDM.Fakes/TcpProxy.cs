using System.Net;
using System.Net.Sockets;

namespace MoDM.Fakes;

/// <summary>A way to a server that can be slow, or cut: what real servers do not do on demand.</summary>
public sealed class TcpProxy : IAsyncDisposable
{
    private readonly Uri _target;
    private readonly Lock _lock = new();
    private readonly HashSet<Socket> _open = [];
    private Socket _listener;
    private int _answers = int.MaxValue;

    private readonly IPAddress _host;

    private TcpProxy(Uri target, IPAddress host) => (_target, _host, _listener) = (target, host, Listen(host, 0));

    /// <summary>Stays the same from stop to start.</summary>
    public Uri Address { get; private set; } = null!;

    /// <summary>Before anything that the server says is handed on.</summary>
    public TimeSpan Delay { get; set; }

    /// <param name="host">Where it listens: for this process alone, if not said.</param>
    public static TcpProxy Start(Uri target, IPAddress? host = null)
    {
        var proxy = new TcpProxy(target, host ?? IPAddress.Loopback);
        proxy.Address = new Uri($"http://127.0.0.1:{((IPEndPoint)proxy._listener.LocalEndPoint!).Port}");
        _ = proxy.AcceptAsync(proxy._listener);
        return proxy;
    }

    /// <summary>So many pieces of what the server says are handed on; then it is cut.</summary>
    public void CutAfter(int answers) => Volatile.Write(ref _answers, answers);

    /// <summary>Connections are cut, and new ones refused.</summary>
    public void Stop()
    {
        _listener.Dispose();
        lock (_lock)
        {
            foreach (var socket in _open) socket.Dispose();
            _open.Clear();
        }
    }

    public void Restart()
    {
        Volatile.Write(ref _answers, int.MaxValue);
        _listener = Listen(_host, Address.Port);
        _ = AcceptAsync(_listener);
    }

    public ValueTask DisposeAsync()
    {
        Stop();
        return ValueTask.CompletedTask;
    }

    private static Socket Listen(IPAddress host, int port)
    {
        var listener = new Socket(host.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        listener.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.ReuseAddress, true);
        listener.Bind(new IPEndPoint(host, port));
        listener.Listen();
        return listener;
    }

    private async Task AcceptAsync(Socket listener)
    {
        try
        {
            while (true)
                _ = PassAsync(await listener.AcceptAsync());
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // Stopped.
        }
    }

    private async Task PassAsync(Socket client)
    {
        using var server = new Socket(SocketType.Stream, ProtocolType.Tcp);
        lock (_lock)
        {
            _open.Add(client);
            _open.Add(server);
        }
        try
        {
            (client.NoDelay, server.NoDelay) = (true, true);
            await server.ConnectAsync(_target.Host, _target.Port);
            await Task.WhenAny(CopyAsync(client, server, answers: false), CopyAsync(server, client, answers: true));
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // Cut, on either side.
        }
        finally
        {
            client.Dispose();
            lock (_lock)
            {
                _open.Remove(client);
                _open.Remove(server);
            }
        }
    }

    private async Task CopyAsync(Socket from, Socket to, bool answers)
    {
        var buffer = new byte[1 << 16];
        while (await from.ReceiveAsync(buffer) is > 0 and var read)
        {
            if (answers && Delay > TimeSpan.Zero) await Task.Delay(Delay);
            if (answers && Interlocked.Decrement(ref _answers) < 0) return;
            for (var sent = 0; sent < read;)
                sent += await to.SendAsync(buffer.AsMemory(sent, read - sent));
        }
    }
}
