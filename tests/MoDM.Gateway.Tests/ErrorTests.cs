using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json.Nodes;
using MoDM.Fakes;
using MoDM.Onnx;

namespace MoDM.Gateway.Tests;

/// <summary>Whatever a client does wrong, it gets OpenAI's error shape, the field's name and the remedy.</summary>
public sealed class ErrorTests(ErrorTests.Fixture fixture) : IClassFixture<ErrorTests.Fixture>
{
    public sealed class Fixture : IAsyncLifetime
    {
        private FakeWorker _large = null!;

        public GatewayProcess Gateway { get; private set; } = null!;

        public async ValueTask InitializeAsync()
        {
            _large = await FakeWorker.StartAsync("postcards-large");
            Gateway = await GatewayProcess.StartAsync([_large]);
        }

        public async ValueTask DisposeAsync()
        {
            await Gateway.DisposeAsync();
            await _large.DisposeAsync();
        }
    }

    private readonly HttpClient _http = fixture.Gateway.Http;

    [Theory]
    [InlineData("""{"prompt": "x", "n": 100}""", 400, "n")]
    [InlineData("""{"prompt": "x", "num_inference_steps": 10000}""", 400, "num_inference_steps")]
    [InlineData("""{"prompt": "x", "size": "4096x4096"}""", 400, "size")]
    [InlineData("""{"prompt": "x", "strength": 0.5}""", 400, "strength")]
    [InlineData("""{"prompt": "x", "skip_steps": 5}""", 400, "skip_steps")]
    [InlineData("""{"prompt": "x", "nonsense": 1}""", 400, "nonsense")]
    [InlineData("""{"prompt": "", "n": "a", "seed": -3}""", 400, "n")]
    [InlineData("""{"prompt": """, 400, "body")]
    [InlineData("""{"prompt": "x", "model": "dall-e-3"}""", 404, "model")]
    public async Task A_bad_generation_is_refused_by_field(string body, int status, string field)
    {
        var response = await PostAsync(body);

        Assert.Equal(status, (int)response.StatusCode);
        var error = await ErrorOf(response);
        Assert.Equal("invalid_request_error", (string)error["type"]!);
        Assert.Contains(field, (string)error["message"]!, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_size_that_cannot_be_drawn_is_refused_with_those_that_can()
    {
        var error = await ErrorOf(await PostAsync("""{"prompt": "x", "size": "512x512"}"""));

        Assert.Contains("128x128", (string)error["message"]!, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Bodies_beyond_the_limits_are_413()
    {
        var prompt = await PostAsync($$"""{"prompt": "{{new string('x', 2 << 20)}}"}""");
        Assert.Equal(413, (int)prompt.StatusCode);
        Assert.Equal("request_too_large", (string)(await ErrorOf(prompt))["code"]!);

        // 50 MB, once with its length told and once without.
        foreach (var content in new HttpContent[] { new ByteArrayContent(new byte[50 << 20]), new StreamContent(new Unseekable(50 << 20)) })
        {
            content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
            Assert.Equal(413, await StatusOrCutAsync("/v1/images/generations", content));
        }
        using var form = new MultipartFormDataContent { { new StringContent("x"), "prompt" }, { new ByteArrayContent(new byte[50 << 20]), "image", "a.png" } };
        Assert.Equal(413, await StatusOrCutAsync("/v1/images/edits", form));
    }

    [Fact]
    public async Task A_wrong_content_type_is_415()
    {
        var response = await _http.PostAsync("/v1/images/generations", new StringContent("prompt=x", Encoding.UTF8, "text/plain"), Cancel);

        Assert.Equal(415, (int)response.StatusCode);
        Assert.Contains("send application/json", (string)(await ErrorOf(response))["message"]!, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("GET", "/v1/nothing", 404)]
    [InlineData("GET", "/v1/images/generations", 404)] // Reads as an image's id, and there is none.
    [InlineData("PUT", "/v1/images/generations", 405)]
    [InlineData("GET", "/v1/models/gpt-4", 404)]
    [InlineData("GET", "/v1/images/..%2f..%2fetc%2fpasswd", 404)]
    [InlineData("GET", "/v1/images/00000000000000000000000000000000", 404)]
    public async Task Routes_that_are_not_there_answer_in_the_same_shape(string method, string path, int status)
    {
        var response = await _http.SendAsync(new HttpRequestMessage(new HttpMethod(method), path), Cancel);

        Assert.Equal(status, (int)response.StatusCode);
        Assert.Equal("invalid_request_error", (string)(await ErrorOf(response))["type"]!);
    }

    [Theory]
    [InlineData("not an image", "image")]
    [InlineData("bomb", "image")]
    [InlineData("nothing", "image")]
    [InlineData("two", "image")]
    [InlineData("mask", "mask")]
    public async Task A_bad_picture_is_refused_before_it_reaches_a_worker(string what, string field)
    {
        using var form = new MultipartFormDataContent { { new StringContent("a red kite"), "prompt" } };
        var picture = new RgbImage(8, 8, new byte[8 * 8 * 3]).Encode(ImageEncoding.Png);
        if (what == "not an image") form.Add(new ByteArrayContent("GIF89a, or not"u8.ToArray()), "image", "a.gif");
        if (what == "bomb") form.Add(new ByteArrayContent(Bomb(picture)), "image", "a.png");
        if (what is "two" or "mask") form.Add(new ByteArrayContent(picture), "image", "a.png");
        if (what is "two") form.Add(new ByteArrayContent(picture), "image", "b.png");
        if (what is "mask") form.Add(new ByteArrayContent(picture), "mask", "b.png");

        var response = await _http.PostAsync("/v1/images/edits", form, Cancel);

        Assert.Equal(400, (int)response.StatusCode);
        Assert.Equal(field, (string)(await ErrorOf(response))["param"]!);
    }

    [Fact]
    public async Task An_edit_names_its_wrong_fields()
    {
        using var form = new MultipartFormDataContent
        {
            { new StringContent("a red kite"), "prompt" }, { new StringContent("2"), "strength" }, { new StringContent("auto"), "cache" },
        };

        var message = (string)(await ErrorOf(await _http.PostAsync("/v1/images/edits", form, Cancel)))["message"]!;

        Assert.Contains("strength: 2 is not a number from 0 to 1", message, StringComparison.Ordinal);
        Assert.Contains("cache: is not a field of this endpoint", message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_contract_is_described_by_an_OpenAPI_document()
    {
        var document = JsonNode.Parse(await _http.GetStringAsync("/openapi/v1.json", Cancel))!;

        var schema = document["components"]!["schemas"]!["ImageRequest"]!["properties"]!.AsObject();
        Assert.Contains("num_inference_steps", schema.Select(p => p.Key));
        Assert.NotNull(document["paths"]!["/v1/images/edits"]!["post"]);
    }

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private Task<HttpResponseMessage> PostAsync(string json) =>
        _http.PostAsync("/v1/images/generations", new StringContent(json, Encoding.UTF8, "application/json"), Cancel);

    private static async Task<JsonNode> ErrorOf(HttpResponseMessage response) => (await GatewayProcess.JsonAsync(response))["error"]!;

    /// <summary>The server may answer and close before it has read such a body; then the client sees a cut connection.</summary>
    private async Task<int> StatusOrCutAsync(string path, HttpContent content)
    {
        try { return (int)(await _http.PostAsync(path, content, Cancel)).StatusCode; }
        catch (HttpRequestException e) when (e.InnerException is IOException) { return 413; }
    }

    /// <summary>The same file with 60,000 x 60,000 in its header.</summary>
    private static byte[] Bomb(byte[] png)
    {
        var bomb = (byte[])png.Clone();
        for (var i = 0; i < 8; i += 4)
            System.Buffers.Binary.BinaryPrimitives.WriteInt32BigEndian(bomb.AsSpan(16 + i), 60_000);
        var crc = Crc(bomb.AsSpan(12, 17));
        System.Buffers.Binary.BinaryPrimitives.WriteUInt32BigEndian(bomb.AsSpan(29), crc);
        return bomb;
    }

    private static uint Crc(ReadOnlySpan<byte> bytes)
    {
        var crc = 0xFFFFFFFFu;
        foreach (var b in bytes)
        {
            crc ^= b;
            for (var k = 0; k < 8; k++)
                crc = (crc & 1) == 1 ? 0xEDB88320u ^ (crc >> 1) : crc >> 1;
        }
        return ~crc;
    }

    private sealed class Unseekable(long length) : Stream
    {
        private long _left = length;

        public override bool CanRead => true;
        public override bool CanSeek => false;
        public override bool CanWrite => false;
        public override long Length => throw new NotSupportedException();
        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override int Read(byte[] buffer, int offset, int count)
        {
            var read = (int)Math.Min(count, _left);
            _left -= read;
            return read;
        }

        public override void Flush() { }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}
