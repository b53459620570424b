using System.Text.Json;
using MoDM.Api;
using MoDM.Fakes;
using MoDM.Onnx;

namespace MoDM.Worker.Tests;

public sealed class StreamTests(SmallWorker small) : IClassFixture<SmallWorker>
{
    private readonly WorkerProcess _worker = small.Worker;

    // Complaint row 22: progress belongs to a request, not to "the current job".
    [Fact]
    public async Task Progress_previews_and_the_picture_come_in_order_for_every_image()
    {
        var response = await _worker.GenerateAsync(new
        {
            prompt = "a red kite",
            n = 2,
            seed = 5,
            num_inference_steps = 6,
            stream = true,
            partial_images = 2,
        });
        Assert.Equal("text/event-stream", response.Content.Headers.ContentType!.MediaType);
        var events = await WorkerProcess.EventsAsync(response).ToListAsync(TestContext.Current.CancellationToken);
        Assert.All(events, e => Assert.Equal(e.Name, e.Data.GetProperty("type").GetString()));
        for (var image = 0; image < 2; image++)
        {
            var own = events.Where(e => e.Data.GetProperty("index").GetInt32() == image).ToList();
            Assert.Equal([1, 2, 3, 4, 5, 6], Steps(own));
            Assert.Equal(
                ["p1", "p2", "image", "p3", "p4", "image", "p5", "p6", "done"],
                own.Select(e => e.Name switch
                {
                    ImageEvents.Progress => $"p{e.Data.GetProperty("step")}",
                    ImageEvents.PartialGeneration => "image",
                    ImageEvents.CompletedGeneration => "done",
                    _ => e.Name,
                }));
            var previews = own.Where(e => e.Name == ImageEvents.PartialGeneration).ToList();
            Assert.Equal([0, 1], previews.Select(e => e.Data.GetProperty("partial_image_index").GetInt32()));
            Assert.All(previews, e => Assert.Equal(128, RgbImage.Decode(e.Data.GetProperty("b64_json").GetBytesFromBase64()).Width));
            Assert.Equal(5 + image, own[^1].Data.GetProperty("seed").GetInt64());
        }
    }

    [Fact]
    public async Task A_streamed_picture_equals_the_same_one_without_a_stream()
    {
        var body = new Dictionary<string, object> { ["prompt"] = "a red kite", ["seed"] = 5, ["num_inference_steps"] = 3 };
        var plain = await WorkerProcess.BodyAsync(await _worker.GenerateAsync(body));
        body["stream"] = true;
        body["partial_images"] = 3;
        var events = await WorkerProcess.EventsAsync(await _worker.GenerateAsync(body)).ToListAsync(TestContext.Current.CancellationToken);
        Assert.Equal(
            plain.GetProperty("data")[0].GetProperty("b64_json").GetString(),
            events[^1].Data.GetProperty("b64_json").GetString());
    }

    [Fact]
    public async Task A_refinement_counts_its_steps_from_where_it_came_in()
    {
        var response = await _worker.EditAsync(
            Golden.Bytes("source-0.png"), ("prompt", "a kite"), ("num_inference_steps", "10"), ("skip_steps", "6"), ("stream", "true"));
        var events = await WorkerProcess.EventsAsync(response).ToListAsync(TestContext.Current.CancellationToken);
        Assert.Equal([7, 8, 9, 10], Steps(events));
        Assert.Equal(ImageEvents.CompletedEdit, events[^1].Name);
    }

    [Theory]
    [InlineData(0, 50, 1, new[] { 25 })]
    [InlineData(0, 50, 3, new[] { 12, 25, 37 })]
    [InlineData(30, 50, 1, new[] { 40 })]
    [InlineData(48, 50, 3, new[] { 49 })]
    [InlineData(49, 50, 3, new int[0])]
    public void Previews_are_spread_evenly_over_the_steps_that_are_run(int skip, int steps, int count, int[] after) =>
        Assert.Equal(after, DrawingPlan.Previews(skip, steps, count).Order());

    private static IEnumerable<int> Steps(IEnumerable<(string Name, JsonElement Data)> events) =>
        events.Where(e => e.Name == ImageEvents.Progress).Select(e => e.Data.GetProperty("step").GetInt32());
}
